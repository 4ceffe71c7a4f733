package retry_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// act describes one attempt: it answers after a time.
type act struct {
	after time.Duration
	err   error
}

// play makes an operation whose attempts act in turn, and answer with their number; the last act
// repeats.
func play(acts ...act) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		n := retry.AttemptNumber(ctx)
		a := acts[min(n, len(acts))-1]
		if err := testkit.Pause(ctx, a.after); err != nil {
			return -n, err
		}
		return n, a.err
	}
}

func hedging(t *testing.T, cfg retry.Config, opts ...retry.Option) *retry.Policy {
	cfg.Hedge = timeout.Fixed(10 * time.Millisecond)
	return testkit.Always(t, cfg, opts...)
}

const ms = time.Millisecond

// races are the attempts of a hedged call, and its result.
var races = []struct {
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
		acts: []act{{after: 50 * ms}, {after: ms, err: testkit.ErrDown}},
		took: 50 * ms, want: 1, sent: 2, hedges: 1, reason: retry.ReasonSuccess,
	}, {
		name: "a fast refusal and a slower success",
		acts: []act{{after: 50 * ms}, {after: ms, err: retry.Permanent(errors.New("404"))}},
		took: 11 * ms, want: 2, sent: 2, hedges: 1, reason: retry.ReasonRejected,
	}, {
		name: "the first fails before the hedge delay", cfg: retry.Config{Backoff: backoff.Constant(2 * ms)},
		acts: []act{{after: 3 * ms, err: testkit.ErrDown}, {after: ms}},
		took: 6 * ms, want: 2, sent: 2, reason: retry.ReasonSuccess,
	}, {
		name: "a backoff longer than the hedge delay", cfg: retry.Config{Backoff: backoff.Constant(time.Second)},
		acts: []act{{after: 3 * ms, err: testkit.ErrDown}, {after: ms}},
		took: 1004 * ms, want: 2, sent: 2, reason: retry.ReasonSuccess,
	}, {
		name: "a failure brings the next at once", cfg: retry.Config{Backoff: backoff.None()},
		acts: []act{{after: time.Second}, {after: ms, err: testkit.ErrDown}, {after: ms}},
		took: 12 * ms, want: 3, sent: 3, hedges: 1, reason: retry.ReasonSuccess,
	}, {
		name: "a retry is hedged too", cfg: retry.Config{Backoff: backoff.None()},
		acts: []act{{after: ms, err: testkit.ErrDown}, {after: time.Second}, {after: ms}},
		took: 12 * ms, want: 3, sent: 3, hedges: 1, reason: retry.ReasonSuccess,
	}, {
		name: "retries and hedges together within MaxAttempts", cfg: retry.Config{MaxAttempts: 4},
		acts: []act{{after: 100 * ms, err: testkit.ErrDown}}, // sent at 0, 10, 20, 30
		took: 130 * ms, want: 4, sent: 4, hedges: 3, reason: retry.ReasonMaxAttempts,
	}, {
		name: "MaxAttempts 1", cfg: retry.Config{MaxAttempts: 1},
		acts: []act{{after: time.Second, err: testkit.ErrDown}},
		took: time.Second, want: 1, sent: 1, reason: retry.ReasonMaxAttempts,
	}, {
		name: "an attempt timeout beside a hedge", cfg: retry.Config{MaxAttempts: 2, AttemptTimeout: timeout.Fixed(20 * ms)},
		acts: []act{{after: time.Hour}},
		took: 30 * ms, want: -2, sent: 2, hedges: 1, reason: retry.ReasonMaxAttempts,
	},
}

func TestHedging(t *testing.T) {
	for _, c := range races {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, w, l := testkit.NewParent(), &testkit.Watcher{}, testkit.NewLedger()
				c.cfg.Budget = budget.Shared(l)
				start := time.Now()
				v, err := retry.DoValue(ctx, hedging(t, c.cfg, retry.WithObserver(w)), play(c.acts...))
				require.Equal(t, c.took, time.Since(start))
				require.Equal(t, c.want, v)
				require.Len(t, w.Reports, 1)
				r := w.Reports[0]
				require.Equal(t, c.reason, r.Reason)
				require.Equal(t, c.sent, r.Attempts)
				require.Equal(t, c.hedges, r.Hedges)
				require.Equal(t, max(c.want, -c.want), r.Answer)
				require.Len(t, w.Attempts, c.sent, "each attempt is observed, losers too")
				require.Equal(t, "call", w.Order[len(w.Order)-1], "the call ends after its attempts")
				if c.reason == retry.ReasonSuccess {
					require.NoError(t, err)
				} else if c.sent == 1 {
					require.Equal(t, testkit.ErrDown, err)
				} else {
					require.Equal(t, c.reason, testkit.Stopped(t, err).Reason)
				}
				l.Settled(t)
				require.Zero(t, ctx.Registered(), "contexts left on the caller's")
			})
		})
	}
}

func TestReport_HedgeAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &testkit.Watcher{}
		p := hedging(t, retry.Config{}, retry.WithObserver(w))
		_, err := retry.DoValue(t.Context(), p, play(act{after: time.Second}, act{after: ms}))
		require.NoError(t, err)
		_, err = retry.DoValue(t.Context(), p, play(act{after: 11 * ms}, act{after: time.Second}))
		require.NoError(t, err)
		require.True(t, w.Reports[0].Hedged)
		require.False(t, w.Reports[1].Hedged)
	})
}

func TestHedge_LosersCanceledAndJoined(t *testing.T) {
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

func TestHedge_WinnersContextCanceledAtEnd(t *testing.T) {
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

func TestHedge_RefusedByBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := testkit.NewLedger()
		l.Refuse = func(k budget.Kind) bool { return k == budget.Hedge }
		p := hedging(t, retry.Config{Budget: budget.Shared(l)})
		v, err := retry.DoValue(t.Context(), p, play(act{after: time.Second}))
		require.NoError(t, err)
		require.Equal(t, 1, v, "the attempt in flight goes on")
		require.Equal(t, 1, l.Refused, "it is asked once, not in a loop")
		require.Equal(t, []testkit.Ask{{Kind: budget.Hedge, Because: budget.Silent, Held: 1}}, l.Asked)

		l.Asked = nil
		v, err = retry.DoValue(t.Context(), p, play(act{after: time.Second, err: testkit.ErrDown}, act{}))
		require.NoError(t, err)
		require.Equal(t, 2, v, "a refused hedge does not forbid the retry")
		l.Settled(t)
	})
}

func TestHedge_BudgetRunsOutInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := testkit.NewLedger()
		l.Refuse = func(budget.Kind) bool { return l.Admits >= 1 }
		p := hedging(t, retry.Config{MaxAttempts: 9, Budget: budget.Shared(l)})
		v, err := retry.DoValue(t.Context(), p, play(act{after: time.Second}, act{after: ms, err: testkit.ErrDown}))
		require.NoError(t, err)
		require.Equal(t, 1, v)

		l.Admits = 0
		_, err = retry.DoValue(t.Context(), p, play(act{after: time.Second, err: testkit.ErrDown}))
		e := testkit.Stopped(t, err)
		require.Equal(t, retry.ReasonBudget, e.Reason)
		require.Equal(t, 2, e.Attempts)
		require.ErrorIs(t, err, testkit.ErrDown)
		l.Settled(t)
	})
}

func TestHedge_NoneTooLateForDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := testkit.NewLedger()
		p := testkit.Always(t, retry.Config{Hedge: hedgeAfter{10 * ms, 20 * ms}, Budget: budget.Shared(l)})
		ctx, cancel := context.WithTimeout(t.Context(), 30*ms)
		defer cancel()
		v, err := retry.DoValue(ctx, p, play(act{after: 29 * ms}))
		require.NoError(t, err)
		require.Equal(t, 1, v)
		require.Empty(t, l.Asked)
	})
}

// hedgeAfter is a hedge delay that has learned.
type hedgeAfter struct{ delay, usually time.Duration }

func (h hedgeAfter) Validate() error                        { return nil }
func (h hedgeAfter) New() timeout.Limit                     { return h }
func (h hedgeAfter) Timeout() time.Duration                 { return h.delay }
func (h hedgeAfter) Usual() time.Duration                   { return h.usually }
func (h hedgeAfter) Observe(time.Time, time.Duration, bool) {}

func TestHedge_ZeroDelayNeverHedges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &testkit.Watcher{}
		p := testkit.Always(t, retry.Config{Hedge: hedgeAfter{}}, retry.WithObserver(w))
		_, err := retry.DoValue(t.Context(), p, play(act{after: time.Hour}))
		require.NoError(t, err)
		require.Equal(t, 1, w.Reports[0].Attempts)
	})
}

// A budget that may refuse first attempts lets those be hedged that it admits.
func TestHedge_GateHedgesAdmittedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuse := 1.0
		p := hedging(t, retry.Config{Budget: budget.ClientThrottle{}}, retry.WithRand(func() float64 { return refuse }))
		got, err := retry.DoValue(t.Context(), p, play(act{after: time.Second}, act{after: ms}))
		require.NoError(t, err)
		require.Equal(t, 2, got, "the hedge")

		refuse = 0
		refused := 0
		for range 100 {
			sent := 0
			_, err := retry.DoValue(t.Context(), p, func(context.Context) (int, error) {
				sent++
				return 0, errors.New("down")
			})
			var stopped *retry.Error
			if errors.As(err, &stopped) && stopped.Reason == retry.ReasonGate && stopped.Attempts == 0 {
				refused++
				require.Zero(t, sent)
			}
		}
		require.Positive(t, refused)
	})
}

func TestHedge_NeverInDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		err := retry.Do(t.Context(), hedging(t, retry.Config{}), func(ctx context.Context) error {
			calls++ // would race
			return testkit.Pause(ctx, time.Second)
		})
		require.NoError(t, err)
		require.Equal(t, 1, calls)
	})
}

func TestHedge_NeverNotIdempotent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := retry.WithIdempotency(t.Context(), retry.NotIdempotent)
		calls := 0
		v, err := retry.DoValue(ctx, hedging(t, retry.Config{}), func(ctx context.Context) (int, error) {
			calls++
			return calls, testkit.Pause(ctx, time.Second)
		})
		require.NoError(t, err)
		require.Equal(t, 1, v)
	})
}

func TestHedge_CancelEndsCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := testkit.NewLedger(), &testkit.Watcher{}
		cause := errors.New("gone home")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(15*ms, func() { cancel(cause) })
		p := hedging(t, retry.Config{MaxAttempts: 5, Budget: budget.Shared(l)}, retry.WithObserver(w))
		start := time.Now()
		_, err := retry.DoValue(ctx, p, play(act{after: time.Hour}))
		require.Equal(t, 15*ms, time.Since(start))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
		require.Equal(t, retry.ReasonCanceled, testkit.Stopped(t, err).Reason)
		require.Equal(t, 2, w.Reports[0].Attempts)
		require.Equal(t, []budget.Evidence{budget.None, budget.None}, l.Ends, "it says nothing about the server")
		l.Settled(t)
	})
}

func TestHedge_DeadlineEndsCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 15*ms)
		defer cancel()
		_, err := retry.DoValue(ctx, hedging(t, retry.Config{}), play(act{after: time.Hour}))
		require.Equal(t, retry.ReasonDeadline, testkit.Stopped(t, err).Reason)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, testkit.Stopped(t, err).Timeout())
	})
}

func TestHedge_NoneAfterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := testkit.Always(t, retry.Config{Hedge: timeout.Fixed(10 * time.Millisecond)})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Millisecond, cancel)
		w := &testkit.Watcher{}
		p = testkit.Always(t, p.Config(), retry.WithObserver(w))
		_, err := retry.DoValue(ctx, p, func(context.Context) (int, error) {
			time.Sleep(time.Second) // does not honour ctx
			return 0, testkit.ErrDown
		})
		require.Equal(t, retry.ReasonCanceled, testkit.Stopped(t, err).Reason)
		require.Equal(t, 1, w.Reports[0].Attempts)
	})
}

// A hedge that has become due after the caller gave up is not sent, and takes nothing from the
// attempt under way.
func TestHedge_CanceledAttemptsOutcomeKept(t *testing.T) {
	for _, hedge := range []timeout.Spec{nil, timeout.Fixed(20 * ms), timeout.Fixed(time.Hour)} {
		for _, ends := range []error{nil, testkit.ErrDown} {
			synctest.Test(t, func(t *testing.T) {
				p := testkit.Always(t, retry.Config{Hedge: hedge})
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
				require.ErrorIs(t, err, testkit.ErrDown, hedge)
				require.ErrorIs(t, err, context.Canceled, hedge)
				require.Equal(t, retry.ReasonCanceled, testkit.Stopped(t, err).Reason, hedge)
			})
		}
	}
}

// The attempt that a due hedge has left alone, because the caller gave up, may panic: its permit
// is ended all the same.
func TestHedge_PanicAfterCancelLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, parent := testkit.NewLedger(), testkit.NewParent()
		p := testkit.Always(t, retry.Config{Hedge: timeout.Fixed(20 * ms), Budget: budget.Shared(l)})
		ctx, cancel := context.WithCancel(parent)
		time.AfterFunc(10*ms, cancel)
		require.PanicsWithValue(t, "boom", func() {
			_, _ = retry.DoValue(ctx, p, func(context.Context) (int, error) {
				time.Sleep(50 * ms)
				panic("boom")
			})
		})
		cancel()
		l.Settled(t)
		require.Zero(t, parent.Registered())
	})
}
