package retry_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// act is what one attempt does: answer after a time.
type act struct {
	after time.Duration
	err   error
}

// play makes an operation whose attempts act in turn, and answer with their number; the last act repeats.
func play(acts ...act) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		n := retry.AttemptNumber(ctx)
		a := acts[min(n, len(acts))-1]
		if err := pause(ctx, a.after); err != nil {
			return -n, err
		}
		return n, a.err
	}
}

func hedging(t *testing.T, cfg retry.Config, opts ...retry.Option) *retry.Policy {
	cfg.Hedge = timeout.Fixed(10 * time.Millisecond)
	return always(t, cfg, opts...)
}

const ms = time.Millisecond

func TestHedging(t *testing.T) {
	errGone := retry.Permanent(errors.New("404"))
	for _, c := range []struct {
		name   string
		cfg    retry.Config
		acts   []act
		took   time.Duration
		want   int
		reason retry.Reason
		sent   int
		hedges int
	}{
		{
			name: "a hedge wins", acts: []act{{after: time.Second}, {after: 5 * ms}},
			took: 15 * ms, want: 2, sent: 2, hedges: 1, reason: retry.ReasonSuccess,
		}, {
			name: "the first wins after all", acts: []act{{after: 12 * ms}, {after: time.Second}},
			took: 12 * ms, want: 1, sent: 2, hedges: 1, reason: retry.ReasonSuccess,
		}, {
			name: "a fast first attempt is not hedged", acts: []act{{after: 9 * ms}},
			took: 9 * ms, want: 1, sent: 1, reason: retry.ReasonSuccess,
		}, {
			name: "a fast retryable failure and a slower success", cfg: retry.Config{MaxAttempts: 2},
			acts: []act{{after: 50 * ms}, {after: ms, err: errDown}},
			took: 50 * ms, want: 1, sent: 2, hedges: 1, reason: retry.ReasonSuccess,
		}, {
			name: "a fast refusal and a slower success",
			acts: []act{{after: 50 * ms}, {after: ms, err: errGone}},
			took: 11 * ms, want: 2, sent: 2, hedges: 1, reason: retry.ReasonRejected,
		}, {
			name: "the first fails before the hedge delay", cfg: retry.Config{Backoff: backoff.Constant(2 * ms)},
			acts: []act{{after: 3 * ms, err: errDown}, {after: ms}},
			took: 6 * ms, want: 2, sent: 2, reason: retry.ReasonSuccess,
		}, {
			name: "a backoff longer than the hedge delay", cfg: retry.Config{Backoff: backoff.Constant(time.Second)},
			acts: []act{{after: 3 * ms, err: errDown}, {after: ms}},
			took: 1004 * ms, want: 2, sent: 2, reason: retry.ReasonSuccess,
		}, {
			name: "a failure brings the next at once", cfg: retry.Config{Backoff: backoff.None()},
			acts: []act{{after: time.Second}, {after: ms, err: errDown}, {after: ms}},
			took: 12 * ms, want: 3, sent: 3, hedges: 1, reason: retry.ReasonSuccess,
		}, {
			name: "a retry is hedged too", cfg: retry.Config{Backoff: backoff.None()},
			acts: []act{{after: ms, err: errDown}, {after: time.Second}, {after: ms}},
			took: 12 * ms, want: 3, sent: 3, hedges: 1, reason: retry.ReasonSuccess,
		}, {
			name: "retries and hedges together within MaxAttempts", cfg: retry.Config{MaxAttempts: 4},
			acts: []act{{after: 100 * ms, err: errDown}}, // sent at 0, 10, 20, 30
			took: 130 * ms, want: 4, sent: 4, hedges: 3, reason: retry.ReasonMaxAttempts,
		}, {
			name: "MaxAttempts 1", cfg: retry.Config{MaxAttempts: 1},
			acts: []act{{after: time.Second, err: errDown}},
			took: time.Second, want: 1, sent: 1, reason: retry.ReasonMaxAttempts,
		}, {
			name: "an attempt timeout beside a hedge", cfg: retry.Config{MaxAttempts: 2, AttemptTimeout: timeout.Fixed(20 * ms)},
			acts: []act{{after: time.Hour}},
			took: 30 * ms, want: -2, sent: 2, hedges: 1, reason: retry.ReasonMaxAttempts,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, w, l := newParent(), &watcher{}, newLedger()
				c.cfg.Budget = budget.Shared(l)
				start := time.Now()
				v, err := retry.DoValue(ctx, hedging(t, c.cfg, retry.WithObserver(w)), play(c.acts...))
				require.Equal(t, c.took, time.Since(start))
				require.Equal(t, c.want, v)
				require.Len(t, w.reports, 1)
				r := w.reports[0]
				require.Equal(t, c.reason, r.Reason)
				require.Equal(t, c.sent, r.Attempts)
				require.Equal(t, c.hedges, r.Hedges)
				require.Equal(t, max(c.want, -c.want), r.Answer)
				require.Len(t, w.attempts, c.sent, "each attempt is observed, losers too")
				require.Equal(t, "call", w.order[len(w.order)-1], "the call ends after its attempts")
				if c.reason == retry.ReasonSuccess {
					require.NoError(t, err)
				} else {
					require.Equal(t, c.reason, stopped(t, err).Reason)
				}
				l.settled(t)
				require.Zero(t, ctx.registered(), "contexts left on the caller's")
			})
		})
	}
}

func TestTheReportSaysThatAHedgeAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &watcher{}
		p := hedging(t, retry.Config{}, retry.WithObserver(w))
		_, err := retry.DoValue(t.Context(), p, play(act{after: time.Second}, act{after: ms}))
		require.NoError(t, err)
		_, err = retry.DoValue(t.Context(), p, play(act{after: 11 * ms}, act{after: time.Second}))
		require.NoError(t, err)
		require.True(t, w.reports[0].Hedged)
		require.False(t, w.reports[1].Hedged)
	})
}

func TestLosersAreCancelledAndJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running atomic.Int32
		start := time.Now()
		v, err := retry.DoValue(t.Context(), hedging(t, retry.Config{MaxAttempts: 4}), func(ctx context.Context) (int, error) {
			running.Add(1)
			defer running.Add(-1)
			n := retry.AttemptNumber(ctx)
			if n == 3 {
				return n, nil
			}
			<-ctx.Done()
			require.ErrorIs(t, context.Cause(ctx), context.Canceled)
			time.Sleep(time.Duration(n) * time.Second) // still at work with what the caller lent it
			return 0, ctx.Err()
		})
		require.NoError(t, err)
		require.Equal(t, 3, v)
		require.Zero(t, running.Load(), "an attempt outlived its call")
		require.Equal(t, 20*ms+2*time.Second, time.Since(start))
	})
}

func TestTheWinnersContextIsCancelledInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var won context.Context
		_, err := retry.DoValue(t.Context(), hedging(t, retry.Config{}), func(ctx context.Context) (int, error) {
			won = ctx
			return 0, nil
		})
		require.NoError(t, err)
		require.Error(t, won.Err())
		require.NoError(t, t.Context().Err())
	})
}

func TestTheBudgetRefusesAHedge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.refuse = func(k budget.Kind) bool { return k == budget.Hedge }
		p := hedging(t, retry.Config{Budget: budget.Shared(l)})
		v, err := retry.DoValue(t.Context(), p, play(act{after: time.Second}))
		require.NoError(t, err)
		require.Equal(t, 1, v, "the attempt in flight goes on")
		require.Equal(t, 1, l.refused, "it is asked once, not in a loop")
		require.Equal(t, []ask{{budget.Hedge, budget.Silent, 1}}, l.asked)

		l.asked = nil
		v, err = retry.DoValue(t.Context(), p, play(act{after: time.Second, err: errDown}, act{}))
		require.NoError(t, err)
		require.Equal(t, 2, v, "a refused hedge does not forbid the retry")
		l.settled(t)
	})
}

func TestTheBudgetRunsOutWithAttemptsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.refuse = func(budget.Kind) bool { return l.admits >= 1 }
		p := hedging(t, retry.Config{MaxAttempts: 9, Budget: budget.Shared(l)})
		v, err := retry.DoValue(t.Context(), p, play(act{after: time.Second}, act{after: ms, err: errDown}))
		require.NoError(t, err)
		require.Equal(t, 1, v)

		l.admits = 0
		_, err = retry.DoValue(t.Context(), p, play(act{after: time.Second, err: errDown}))
		e := stopped(t, err)
		require.Equal(t, retry.ReasonBudget, e.Reason)
		require.Equal(t, 2, e.Attempts)
		require.ErrorIs(t, err, errDown)
		l.settled(t)
	})
}

func TestNoHedgeThatCannotFinishBeforeTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		p := always(t, retry.Config{Hedge: hedgeAfter{10 * ms, 20 * ms}, Budget: budget.Shared(l)})
		ctx, cancel := context.WithTimeout(t.Context(), 30*ms)
		defer cancel()
		v, err := retry.DoValue(ctx, p, play(act{after: 29 * ms}))
		require.NoError(t, err)
		require.Equal(t, 1, v)
		require.Empty(t, l.asked)
	})
}

// hedgeAfter is a hedge delay that has learned.
type hedgeAfter struct{ delay, usually time.Duration }

func (h hedgeAfter) Validate() error                        { return nil }
func (h hedgeAfter) New() timeout.Limit                     { return h }
func (h hedgeAfter) Timeout() time.Duration                 { return h.delay }
func (h hedgeAfter) Usual() time.Duration                   { return h.usually }
func (h hedgeAfter) Observe(time.Time, time.Duration, bool) {}

func TestAHedgeDelayOfZeroNeverHedges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &watcher{}
		p := always(t, retry.Config{Hedge: hedgeAfter{}}, retry.WithObserver(w))
		_, err := retry.DoValue(t.Context(), p, play(act{after: time.Hour}))
		require.NoError(t, err)
		require.Equal(t, 1, w.reports[0].Attempts)
	})
}

func TestDoNeverHedges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		err := retry.Do(t.Context(), hedging(t, retry.Config{}), func(ctx context.Context) error {
			calls++ // would race
			return pause(ctx, time.Second)
		})
		require.NoError(t, err)
		require.Equal(t, 1, calls)
	})
}

func TestNotIdempotentIsNeverHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := retry.WithIdempotency(t.Context(), retry.NotIdempotent)
		calls := 0
		v, err := retry.DoValue(ctx, hedging(t, retry.Config{}), func(ctx context.Context) (int, error) {
			calls++
			return calls, pause(ctx, time.Second)
		})
		require.NoError(t, err)
		require.Equal(t, 1, v)
	})
}

func TestCancelOfAHedgedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLedger(), &watcher{}
		cause := errors.New("gone home")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(15*ms, func() { cancel(cause) })
		p := hedging(t, retry.Config{MaxAttempts: 5, Budget: budget.Shared(l)}, retry.WithObserver(w))
		start := time.Now()
		_, err := retry.DoValue(ctx, p, play(act{after: time.Hour}))
		require.Equal(t, 15*ms, time.Since(start))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
		require.Equal(t, retry.ReasonCanceled, stopped(t, err).Reason)
		require.Equal(t, 2, w.reports[0].Attempts)
		require.Equal(t, []budget.Evidence{budget.None, budget.None}, l.ends, "it says nothing about the server")
		l.settled(t)
	})
}

func TestTheDeadlineOfAHedgedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 15*ms)
		defer cancel()
		_, err := retry.DoValue(ctx, hedging(t, retry.Config{}), play(act{after: time.Hour}))
		require.Equal(t, retry.ReasonDeadline, stopped(t, err).Reason)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, stopped(t, err).Timeout())
	})
}

// A driver's own hooks, with a race.
func TestRunDiscardsLosersAndKeepsTheWinner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		discarded := map[int]bool{} // and whether its context had ended by then
		live := map[int]context.Context{}
		var release context.CancelFunc
		w := retry.Work[struct{}, int]{
			Hedge: true,
			Send: func(_ struct{}, ctx context.Context, attempt int, _ bool) (int, error) {
				mu.Lock()
				live[attempt] = ctx
				mu.Unlock()
				switch attempt {
				case 1: // loses, and answers all the same
					<-ctx.Done()
					return 1, nil
				case 2: // fails
					return 2, errDown
				}
				time.Sleep(ms)
				return attempt, nil
			},
			Classify: func(_ struct{}, v int, err error, ended bool) retry.Outcome {
				if err != nil {
					return transient
				}
				return retry.Outcome{}
			},
			Discard: func(_ struct{}, v int, _ error) {
				mu.Lock()
				defer mu.Unlock()
				discarded[v] = live[v].Err() != nil
			},
			Keep: func(v int, cancel context.CancelFunc) int { release = cancel; return v * 100 },
		}
		ctx := newParent()
		v, err := retry.Run(ctx, hedging(t, retry.Config{Backoff: backoff.None()}), &w)
		require.NoError(t, err)
		require.Equal(t, 300, v)
		require.Equal(t, map[int]bool{1: true, 2: false}, discarded)
		require.NoError(t, live[3].Err(), "the winner's context lives until it is released")
		require.Equal(t, 1, ctx.registered())
		release()
		require.Error(t, live[3].Err())
		require.Zero(t, ctx.registered())
	})
}

func TestNoHedgeAfterTheCallerGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := always(t, retry.Config{Hedge: timeout.Fixed(10 * time.Millisecond)})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Millisecond, cancel)
		w := &watcher{}
		p = always(t, p.Config(), retry.WithObserver(w))
		_, err := retry.DoValue(ctx, p, func(context.Context) (int, error) {
			time.Sleep(time.Second) // does not honour ctx
			return 0, errDown
		})
		require.Equal(t, retry.ReasonCanceled, stopped(t, err).Reason)
		require.Equal(t, 1, w.reports[0].Attempts)
	})
}

// A hedge that has become due after the caller gave up is not sent, and takes nothing from the attempt under way.
func TestWhatACancelledAttemptCameToIsKeptWhetherOrNotAHedgeWasDue(t *testing.T) {
	for _, hedge := range []timeout.Spec{nil, timeout.Fixed(20 * ms), timeout.Fixed(time.Hour)} {
		for _, ends := range []error{nil, errDown} {
			synctest.Test(t, func(t *testing.T) {
				p := always(t, retry.Config{Hedge: hedge})
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(10*ms, cancel)
				n := 0
				v, err := retry.DoValue(ctx, p, func(context.Context) (int, error) {
					n++
					time.Sleep(50 * ms)
					return 5, ends
				})
				require.Equal(t, 1, n, hedge)
				require.Equal(t, 5, v, hedge)
				if ends == nil {
					require.NoError(t, err, hedge)
					return
				}
				require.ErrorIs(t, err, errDown, hedge)
				require.ErrorIs(t, err, context.Canceled, hedge)
				require.Equal(t, retry.ReasonCanceled, stopped(t, err).Reason, hedge)
			})
		}
	}
}

// The attempt that a due hedge has left alone, because the caller gave up, may panic: its permit is ended all the same.
func TestAnAttemptThatPanicsAfterItsCallerGaveUpLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, parent := newLedger(), newParent()
		p := always(t, retry.Config{Hedge: timeout.Fixed(20 * ms), Budget: budget.Shared(l)})
		ctx, cancel := context.WithCancel(parent)
		time.AfterFunc(10*ms, cancel)
		require.PanicsWithValue(t, "boom", func() {
			_, _ = retry.DoValue(ctx, p, func(context.Context) (int, error) {
				time.Sleep(50 * ms)
				panic("boom")
			})
		})
		cancel()
		l.settled(t)
		require.Zero(t, parent.registered())
	})
}
