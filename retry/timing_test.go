package retry_test

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestDo_RetriesUntilSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, calls := time.Now(), 0
		err := retry.Do(t.Context(), testkit.Always(t, retry.Config{}), func(context.Context) error {
			if calls++; calls < 3 {
				return testkit.ErrDown
			}
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, 3, calls)
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}

func TestDo_NoSleepAfterLastAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var last time.Time
		err := retry.Do(t.Context(), testkit.Always(t, retry.Config{}), func(context.Context) error {
			last = time.Now()
			return testkit.ErrDown
		})
		require.Equal(t, retry.ReasonMaxAttempts, testkit.Stopped(t, err).Reason)
		require.Equal(t, 2*time.Second, last.Sub(start))
		require.Equal(t, last, time.Now())
	})
}

func TestDeadline_NoWaitPastIt(t *testing.T) {
	for delay, attempts := range map[time.Duration]int{
		3 * time.Second:            2,
		5*time.Second - 1:          2,
		5 * time.Second:            1, // due at the deadline
		time.Hour:                  1,
		100 * 365 * 24 * time.Hour: 1,
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			start := time.Now()
			p := testkit.Always(t, retry.Config{Backoff: backoff.Constant(delay)})
			err := retry.Do(ctx, p, func(context.Context) error { return testkit.ErrDown })
			require.Equal(t, time.Duration(attempts-1)*delay, time.Since(start))
			e := testkit.Stopped(t, err)
			require.Equal(t, retry.ReasonDeadline, e.Reason)
			require.Equal(t, attempts, e.Attempts)
			require.Equal(t, testkit.ErrDown, e.Last)
			require.NoError(t, e.Ended, "the context has not ended, and is not said to have")
			require.NotErrorIs(t, err, context.DeadlineExceeded)
			require.False(t, e.Timeout())
		})
	}
}

// usual is a limit that has learned what an attempt takes.
type usual time.Duration

func (u usual) Validate() error                              { return nil }
func (u usual) New() timeout.Limit                           { return u }
func (u usual) Timeout() time.Duration                       { return time.Minute }
func (u usual) Usual() time.Duration                         { return time.Duration(u) }
func (u usual) Observe(_ time.Time, _ time.Duration, _ bool) {}

func TestDeadline_NoAttemptThatCannotFinish(t *testing.T) {
	for usually, attempts := range map[usual]int{
		usual(time.Second):               2, // sent at 1s, 1s of 2.5s used: 1.5 s left
		usual(1500 * time.Millisecond):   1,
		usual(1500*time.Millisecond - 1): 2,
	} {
		for name, cfg := range map[string]retry.Config{
			"timeout": {MaxAttempts: 2, AttemptTimeout: usually},
			"hedge":   {MaxAttempts: 2, Hedge: usually},
		} {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
				defer cancel()
				err := retry.Do(ctx, testkit.Always(t, cfg), func(context.Context) error { return testkit.ErrDown })
				require.Equal(t, attempts, testkit.Stopped(t, err).Attempts, "%s %v", name, time.Duration(usually))
			})
		}
	}
}

func TestCancel_DuringWait(t *testing.T) {
	for name, cfg := range map[string]retry.Config{"in turn": {}, "hedged": {Hedge: timeout.Fixed(time.Hour)}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := testkit.NewLedger()
				cfg.Budget = budget.Shared(l)
				cfg.Backoff = backoff.Constant(time.Minute)
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				start, calls := time.Now(), 0
				v, err := retry.DoValue(ctx, testkit.Always(t, cfg), func(context.Context) (int, error) {
					calls++
					return 7, testkit.ErrDown
				})
				require.Equal(t, time.Second, time.Since(start))
				require.Equal(t, 1, calls)
				require.Zero(t, v, "the value of an attempt that is not the answer")
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, testkit.ErrDown)
				require.Equal(t, []budget.Evidence{budget.Failed, budget.Unsent}, l.Ends)
				l.Settled(t)
			})
		})
	}
}

func TestCancel_AtEndOfWait(t *testing.T) {
	for name, cfg := range map[string]retry.Config{"in turn": {}, "hedged": {Hedge: timeout.Fixed(time.Hour)}} {
		t.Run(name, func(t *testing.T) {
			for range 50 { // either may come first
				synctest.Test(t, func(t *testing.T) {
					l := testkit.NewLedger()
					cfg.Budget = budget.Shared(l)
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(time.Second+ms, cancel) // the first attempt takes one
					var calls atomic.Int32
					_, err := retry.DoValue(ctx, testkit.Always(t, cfg), func(context.Context) (int, error) {
						calls.Add(1)
						time.Sleep(ms)
						return 0, testkit.ErrDown
					})
					time.Sleep(time.Hour)
					e := testkit.Stopped(t, err)
					require.Equal(t, retry.ReasonCanceled, e.Reason)
					require.EqualValues(t, e.Attempts, calls.Load())
					l.Settled(t)
				})
			}
		})
	}
}

func TestHints(t *testing.T) {
	const most = 0.999999
	for _, c := range []struct {
		name  string
		after time.Duration
		u     float64
		want  time.Duration
	}{
		{"honoured as a minimum", 8 * time.Second, 0, 8 * time.Second},
		{"jitter in proportion to it", 8 * time.Second, 0.5, 9 * time.Second},
		{"jitter in proportion to it, small", 8 * time.Millisecond, 0.5, 9 * time.Millisecond},
		{"at the limit", time.Minute, 0, time.Minute},
		{"the shortest that counts", time.Millisecond, 0, time.Millisecond},
		{"too short to count", time.Millisecond - 1, most, time.Second},
		{"none", 0, most, time.Second},
		{"negative", -time.Hour, most, time.Second},
		{"most negative", -1 << 63, most, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := testkit.Always(t, retry.Config{}, retry.WithRand(func() float64 { return c.u }))
				start := time.Now()
				err := retry.Do(t.Context(), p, func(ctx context.Context) error {
					if retry.AttemptNumber(ctx) == 1 {
						return retry.After(testkit.ErrDown, c.after)
					}
					return nil
				})
				require.NoError(t, err)
				require.Equal(t, c.want, time.Since(start))
			})
		})
	}
	require.NoError(t, retry.After(nil, time.Second))
	require.ErrorIs(t, retry.After(testkit.ErrDown, time.Second), testkit.ErrDown)
	require.EqualError(t, retry.After(testkit.ErrDown, time.Second), "down")
}

func TestHint_AboveMaxHintStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, cfg := range []retry.Config{{}, {MaxHint: 2 * time.Second}} {
			p := testkit.Always(t, cfg)
			start := time.Now()
			hint := p.Config().MaxHint + 1
			err := retry.Do(t.Context(), p, func(context.Context) error { return retry.After(testkit.ErrDown, hint) })
			e := testkit.Stopped(t, err)
			require.Equal(t, retry.ReasonHint, e.Reason)
			require.Equal(t, 1, e.Attempts)
			require.ErrorIs(t, err, testkit.ErrDown)
			require.Zero(t, time.Since(start))
		}
	})
}

func TestHint_PastDeadlineStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		err := retry.Do(ctx, testkit.Always(t, retry.Config{}), func(context.Context) error {
			return retry.After(testkit.ErrDown, 5*time.Second)
		})
		require.Equal(t, retry.ReasonDeadline, testkit.Stopped(t, err).Reason)
		require.Zero(t, time.Since(start))
	})
}

// asked is a strategy that records what it is asked.
type asked struct {
	mu    *sync.Mutex
	waits *[]int
	prevs *[]time.Duration
}

func newAsked() asked { return asked{new(sync.Mutex), new([]int), new([]time.Duration)} }

func (a asked) Delay(wait int, prev time.Duration, _ float64) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	*a.waits = append(*a.waits, wait)
	*a.prevs = append(*a.prevs, prev)
	return time.Duration(wait) * time.Second
}

func TestHint_ResetsBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAsked()
		p := testkit.Always(t, retry.Config{MaxAttempts: 6, Backoff: s, ThrottledBackoff: s})
		_ = retry.Do(t.Context(), p, func(ctx context.Context) error {
			if retry.AttemptNumber(ctx) == 3 {
				return retry.After(testkit.ErrDown, time.Second)
			}
			return testkit.ErrDown
		})
		require.Equal(t, []int{1, 2, 1, 2}, *s.waits)
		require.Equal(t, []time.Duration{0, time.Second, 0, time.Second}, *s.prevs)
	})
}

func TestStrategy_SharedPolicyCountsPerCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAsked()
		p := testkit.Always(t, retry.Config{MaxAttempts: 4, Backoff: s})
		var wg sync.WaitGroup
		for range 256 {
			wg.Go(func() {
				var numbers []int
				err := retry.Do(t.Context(), p, func(ctx context.Context) error {
					numbers = append(numbers, retry.AttemptNumber(ctx))
					return testkit.ErrDown
				})
				require.Equal(t, 4, testkit.Stopped(t, err).Attempts)
				require.Equal(t, []int{1, 2, 3, 4}, numbers)
			})
		}
		wg.Wait()
		counts := map[int]int{}
		for _, w := range *s.waits {
			counts[w]++
		}
		require.Equal(t, map[int]int{1: 256, 2: 256, 3: 256}, counts)
	})
}

func TestStrategy_MayStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made int
		p := testkit.Always(t, retry.Config{MaxAttempts: 9, Backoff: twice{&made, 0}})
		for range 2 {
			err := retry.Do(t.Context(), p, func(context.Context) error { return testkit.ErrDown })
			e := testkit.Stopped(t, err)
			require.Equal(t, retry.ReasonMaxAttempts, e.Reason)
			require.Equal(t, 3, e.Attempts, "each call has two waits of its own")
		}
		require.Equal(t, 2, made)
		require.NoError(t, retry.Do(t.Context(), p, func(context.Context) error { return nil }))
		require.Equal(t, 2, made, "a call that succeeds at once needs no state")
	})
}

func TestStrategy_ThrottledWithState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made int
		p := testkit.Always(t, retry.Config{MaxAttempts: 9, ThrottledBackoff: twice{&made, 0}}, retry.WithClassifier(
			func(error) retry.Outcome { return retry.Outcome{Class: retry.Throttled} },
		))
		err := retry.Do(t.Context(), p, func(context.Context) error { return testkit.ErrDown })
		require.Equal(t, 3, testkit.Stopped(t, err).Attempts)
		require.Equal(t, 1, made)
	})
}

func TestStrategy_StatefulBesideStateless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made int
		throttled := false
		p := testkit.Always(t, retry.Config{MaxAttempts: 9, Backoff: twice{&made, 0}}, retry.WithClassifier(
			func(error) retry.Outcome {
				if throttled = !throttled; throttled {
					return retry.Outcome{Class: retry.Throttled}
				}
				return transient
			},
		))
		start := time.Now()
		err := retry.Do(t.Context(), p, func(context.Context) error { return testkit.ErrDown })
		require.Equal(t, 6, testkit.Stopped(t, err).Attempts)
		require.Equal(t, 3*10*time.Second+2*time.Second, time.Since(start))
		require.Equal(t, 1, made)
	})
}

// growing is Stateful: a second more with each wait.
type growing struct{ n int }

func (g *growing) NewCall() backoff.Strategy { return &growing{} }

func (g *growing) Delay(int, time.Duration, float64) time.Duration {
	g.n++
	return time.Duration(g.n) * time.Second
}

func TestStrategy_StateResetByHint(t *testing.T) {
	for name, between := range map[string]retry.Outcome{
		"at once": {Class: retry.Transient, After: time.Minute}, "later": {Class: retry.Throttled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				outcomes := []retry.Outcome{transient, transient, {Class: retry.Transient, After: time.Minute}, between, transient}
				w := &testkit.Watcher{}
				cfg := retry.Config{MaxAttempts: 6, Backoff: &growing{}, ThrottledBackoff: backoff.None()}
				p := testkit.Always(t, cfg, retry.WithObserver(w), retry.WithRand(func() float64 { return 0 }), retry.WithClassifier(
					func(error) retry.Outcome {
						o := outcomes[0]
						outcomes = outcomes[1:]
						return o
					},
				))
				require.NoError(t, retry.Do(t.Context(), p, func(context.Context) error {
					if len(outcomes) == 0 {
						return nil
					}
					return testkit.ErrDown
				}))
				require.Equal(t, 2*time.Second, w.Attempts[2].Waited)
				require.Equal(t, time.Second, w.Attempts[5].Waited, "as before the first wait")
			})
		})
	}
}

// twice is Stateful: two waits of a second for each call, and no more.
type twice struct {
	made *int
	n    int
}

func (s twice) NewCall() backoff.Strategy { *s.made++; return &inCall{} }

func (s twice) Delay(int, time.Duration, float64) time.Duration { panic("asked without NewCall") }

type inCall struct{ n int }

func (s *inCall) Delay(int, time.Duration, float64) time.Duration {
	if s.n++; s.n > 2 {
		return -1
	}
	return time.Second
}

func TestDo_SuccessDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, cfg := range []retry.Config{
			{},
			{Hedge: timeout.Fixed(time.Second)},
			{AttemptTimeout: timeout.Fixed(time.Second)},
			{Hedge: timeout.Fixed(time.Second), AttemptTimeout: timeout.Fixed(time.Minute)},
		} {
			ctx := testkit.NewParent()
			start := time.Now()
			v, err := retry.DoValue(ctx, testkit.Always(t, cfg), func(context.Context) (int, error) { return 3, nil })
			require.NoError(t, err)
			require.Equal(t, 3, v)
			require.NoError(t, retry.Do(ctx, testkit.Always(t, cfg), func(context.Context) error { return nil }))
			require.Zero(t, time.Since(start))
			require.Zero(t, ctx.Registered())
		}
	})
}

// slowStrategy sleeps for as long before it returns a wait of a second.
type slowStrategy time.Duration

func (s slowStrategy) Delay(int, time.Duration, float64) time.Duration {
	time.Sleep(time.Duration(s))
	return time.Second
}

// The wait counts from the end of the attempt that failed. What is done meanwhile is part of it,
// not added to it.
func TestWait_IncludesWorkBetweenAttempts(t *testing.T) {
	observed := retry.WithObserver(&testkit.Watcher{})
	for busy, wait := range map[time.Duration]time.Duration{
		100 * ms: time.Second, time.Second: time.Second, 3 * time.Second: 3 * time.Second,
	} {
		slowly := retry.Config{MaxAttempts: 2, Backoff: slowStrategy(busy)}
		hedged := slowly
		hedged.Hedge = timeout.Fixed(time.Hour)
		for _, p := range []*retry.Policy{testkit.Always(t, slowly), testkit.Always(t, slowly, observed), testkit.Always(t, hedged)} {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				_, err := retry.DoValue(t.Context(), p, func(context.Context) (int, error) { return 0, testkit.ErrDown })
				require.Equal(t, wait, testkit.Stopped(t, err).Waited, "a strategy of %v", busy)
				require.Equal(t, wait, time.Since(start))
			})
		}
	}
}

// The time between two attempts is part of neither.
func TestObserver_AttemptTimedFromSend(t *testing.T) {
	for _, delay := range []time.Duration{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			w := &testkit.Watcher{}
			w.On = func(a retry.Attempt) {
				if a.Number == 1 {
					time.Sleep(time.Second)
				}
			}
			p := testkit.Always(t, retry.Config{MaxAttempts: 2, Backoff: backoff.Constant(delay)}, retry.WithObserver(w))
			err := retry.Do(t.Context(), p, func(context.Context) error {
				time.Sleep(10 * ms)
				return testkit.ErrDown
			})
			require.Equal(t, 10*ms, w.Attempts[1].Took, delay)
			require.Equal(t, time.Second, w.Attempts[1].Waited, delay)
			require.Equal(t, time.Second, testkit.Stopped(t, err).Waited, delay)
		})
	}
}

func TestCancel_ByObserverSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &testkit.Watcher{On: func(retry.Attempt) { cancel() }}
		p := testkit.Always(t, retry.Config{Backoff: backoff.None()}, retry.WithObserver(w))
		err := retry.Do(ctx, p, func(context.Context) error { return testkit.ErrDown })
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 1, testkit.Stopped(t, err).Attempts)
	})
}

func TestHint_BoundedForAnyRandomSource(t *testing.T) {
	for _, u := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 2} {
		p := testkit.Always(t, retry.Config{}, retry.WithRand(func() float64 { return u }))
		now := time.Unix(0, 0)
		c := drive.Of(p).Start(now, call.Options{})
		c.Next(now)
		c.Done(now, 1, retry.Outcome{Class: retry.Transient, After: 4 * time.Second})
		wait := c.Next(now).At.Sub(now)
		require.GreaterOrEqual(t, wait, 4*time.Second, u)
		require.LessOrEqual(t, wait, 5*time.Second, u)
	}
}
