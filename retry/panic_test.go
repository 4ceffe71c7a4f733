package retry_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
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

// leave runs f on a goroutine of its own, which may panic or exit, and returns what it panicked
// with.
func leave(f func()) (value any, returned bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { value = recover() }()
		f()
		returned = true
	}()
	<-done
	return value, returned
}

func TestDo_PanicOrGoexitLeavesNothing(t *testing.T) {
	policies := map[string]retry.Config{
		"bare":             {},
		"timed":            {AttemptTimeout: timeout.Fixed(time.Hour)},
		"hedged":           {Hedge: timeout.Fixed(10 * ms)},
		"hedged and timed": {Hedge: timeout.Fixed(10 * ms), AttemptTimeout: timeout.Fixed(time.Hour)},
	}
	ways := map[string]func(){
		"panic":  func() { panic(testkit.ErrDown) },
		"goexit": runtime.Goexit,
	}
	for policy, cfg := range policies {
		for way, out := range ways {
			for at := 1; at <= 3; at++ {
				t.Run(fmt.Sprintf("%s, %s, attempt %d", policy, way, at), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						ctx, l := testkit.NewParent(), testkit.NewLedger()
						cfg.Budget = budget.Shared(l)
						p := testkit.Always(t, cfg)
						value, returned := leave(func() {
							_, _ = retry.DoValue(ctx, p, func(ctx context.Context) (int, error) {
								if retry.AttemptNumber(ctx) == at {
									out()
								}
								return 0, testkit.ErrDown
							})
						})
						require.False(t, returned)
						checkLeft(t, value, way, false)
						l.Settled(t)
						require.Zero(t, ctx.Registered(), "contexts left on the caller's")
					})
				})
			}
		}
	}
}

// checkLeft checks what came out of a call whose attempt left by way of a panic or runtime.Goexit.
func checkLeft(t *testing.T, value any, way string, aside bool) {
	t.Helper()
	var broken *retry.PanicError
	err, _ := value.(error)
	aside = errors.As(err, &broken) || aside
	switch {
	case way == "panic":
		require.ErrorIs(t, err, testkit.ErrDown, "the panic goes on")
	case aside:
		require.ErrorContains(t, err, "runtime.Goexit in a hedge")
	default:
		require.Nil(t, value)
	}
	if aside {
		require.NotNil(t, broken)
		require.Contains(t, string(broken.Stack), "panic_test.go")
	}
}

func TestHedge_PanicOrGoexitLeavesNothing(t *testing.T) {
	for way, out := range map[string]func(){"panic": func() { panic(testkit.ErrDown) }, "goexit": runtime.Goexit} {
		for name, first := range map[string]func(ctx context.Context) error{
			"the first is under way":      func(ctx context.Context) error { return testkit.Pause(ctx, time.Hour) },
			"the first panics too":        func(ctx context.Context) error { <-ctx.Done(); panic(testkit.ErrDown) },
			"the first answers all along": func(ctx context.Context) error { <-ctx.Done(); return nil },
		} {
			t.Run(way+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, l := testkit.NewParent(), testkit.NewLedger()
					start := time.Now()
					value, returned := leave(func() {
						_, _ = retry.DoValue(ctx, hedging(t, retry.Config{Budget: budget.Shared(l)}),
							func(ctx context.Context) (int, error) {
								if retry.AttemptNumber(ctx) == 1 {
									return 1, first(ctx)
								}
								if retry.AttemptNumber(ctx) == 2 {
									time.Sleep(15 * ms) // a third is sent meanwhile
									out()
								}
								return 3, testkit.Pause(ctx, time.Hour)
							})
					})
					require.False(t, returned)
					require.Equal(t, 25*ms, time.Since(start), "the others are cancelled")
					if name == "the first panics too" {
						require.Equal(t, testkit.ErrDown, value, "the caller's own panic comes first")
					} else {
						checkLeft(t, value, way, true)
					}
					l.Settled(t)
					require.Zero(t, ctx.Registered(), "contexts left on the caller's")
				})
			})
		}
	}
}

func TestPanicError(t *testing.T) {
	e := &retry.PanicError{Value: testkit.ErrDown, Stack: []byte("goroutine 7")}
	require.EqualError(t, e, "panic in a hedge: down\n\ngoroutine 7")
	require.ErrorIs(t, e, testkit.ErrDown)
	require.NoError(t, errors.Unwrap(&retry.PanicError{Value: "text"}))
}

func TestSend_PanicReleasesContext(t *testing.T) {
	for at := 1; at <= 2; at++ {
		t.Run(fmt.Sprint("attempt ", at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, w := testkit.NewParent(), &testkit.Watcher{}
				p := testkit.Always(t, retry.Config{AttemptTimeout: timeout.Fixed(time.Hour)}, retry.WithObserver(w))
				calls := 0
				require.Panics(t, func() {
					_ = retry.Do(ctx, p, func(context.Context) error {
						if calls++; calls == at {
							panic("boom")
						}
						return testkit.ErrDown
					})
				})
				require.Zero(t, ctx.Registered(), "contexts left on the caller's")
			})
		})
	}
}

func TestHook_PanicLeavesNothing(t *testing.T) {
	boom := func() { panic("boom") }
	for name, opt := range map[string]retry.Option{
		"classifier": retry.WithClassifier(func(error) retry.Outcome { boom(); return retry.Outcome{} }),
		"observer":   retry.WithObserver(&testkit.Watcher{On: func(retry.Attempt) { boom() }}),
		"strategy":   nil,
	} {
		{
			cfg := retry.Config{AttemptTimeout: timeout.Fixed(time.Hour)}
			ctx, l := testkit.NewParent(), testkit.NewLedger()
			cfg.Budget = budget.Shared(l)
			opts := []retry.Option{opt}
			if opt == nil {
				cfg.Backoff, opts = brokenStrategy{}, nil
			}
			p := testkit.Always(t, cfg, opts...)
			require.PanicsWithValue(t, "boom", func() {
				_, _ = retry.DoValue(ctx, p, func(context.Context) (int, error) { return 0, testkit.ErrDown })
			}, name)
			l.Settled(t)
			require.Zero(t, ctx.Registered(), name)
		}
	}
}

func TestHook_PanicInHedgedCallLeavesNothing(t *testing.T) {
	for name, set := range map[string]func(*retry.Config) []retry.Option{
		"strategy": func(c *retry.Config) []retry.Option { c.Backoff = brokenStrategy{}; return nil },
		"observer": func(*retry.Config) []retry.Option {
			return []retry.Option{retry.WithObserver(&testkit.Watcher{On: func(retry.Attempt) { panic("boom") }})}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, l := testkit.NewParent(), testkit.NewLedger()
			cfg := retry.Config{Hedge: timeout.Fixed(time.Hour), Budget: budget.Shared(l)}
			opts := set(&cfg)
			p := testkit.Always(t, cfg, opts...)
			require.PanicsWithValue(t, "boom", func() {
				_, _ = retry.DoValue(ctx, p, func(context.Context) (int, error) { return 0, testkit.ErrDown })
			})
			l.Settled(t)
			require.Zero(t, ctx.Registered())
		})
	}
}

// brokenStrategy is a strategy with a bug.
type brokenStrategy struct{}

func (brokenStrategy) Delay(int, time.Duration, float64) time.Duration { panic("boom") }

// wild is a limit of a user's that panics.
type wild struct{}

func (wild) New() timeout.Limit     { return wild{} }
func (wild) Validate() error        { return nil }
func (wild) Timeout() time.Duration { panic(testkit.ErrDown) }

func TestLimit_PanicLeavesNothing(t *testing.T) {
	for name, cfg := range map[string]retry.Config{
		"hedge": {Hedge: wild{}}, "attempt": {AttemptTimeout: wild{}}, "both": {Hedge: timeout.Fixed(time.Hour), AttemptTimeout: wild{}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, l := testkit.NewParent(), testkit.NewLedger()
			cfg.Budget = budget.Shared(l)
			p := testkit.Always(t, cfg)
			value, returned := leave(func() {
				_, _ = retry.DoValue(ctx, p, func(context.Context) (int, error) { return 0, nil })
			})
			require.False(t, returned)
			require.Equal(t, testkit.ErrDown, value)
			l.Settled(t)
			require.Zero(t, ctx.Registered())
		})
	}
}

// brokenLearner is a limit that cannot bear to learn.
type brokenLearner struct{}

func (brokenLearner) New() timeout.Limit                     { return brokenLearner{} }
func (brokenLearner) Validate() error                        { return nil }
func (brokenLearner) Timeout() time.Duration                 { return time.Hour }
func (brokenLearner) Usual() time.Duration                   { return 0 }
func (brokenLearner) Observe(time.Time, time.Duration, bool) { panic(testkit.ErrDown) }

func TestLimit_PanicOnSuccessLeavesNothing(t *testing.T) {
	for name, cfg := range map[string]retry.Config{
		"hedge": {Hedge: brokenLearner{}}, "attempt": {AttemptTimeout: brokenLearner{}},
		"both": {Hedge: brokenLearner{}, AttemptTimeout: timeout.Fixed(time.Hour)},
	} {
		for _, failures := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s, after %d failures", name, failures), func(t *testing.T) {
				ctx, l := testkit.NewParent(), testkit.NewLedger()
				cfg.Budget, cfg.Backoff = budget.Shared(l), backoff.None()
				p := testkit.Always(t, cfg)
				value, returned := leave(func() {
					_, _ = retry.DoValue(ctx, p, func(ctx context.Context) (int, error) {
						if retry.AttemptNumber(ctx) <= failures {
							return 0, testkit.ErrDown
						}
						return 0, nil
					})
				})
				require.False(t, returned)
				require.ErrorIs(t, value.(error), testkit.ErrDown) // in a *PanicError if a goroutine of the race's own had to learn
				l.Settled(t)
				require.Zero(t, ctx.Registered())
			})
		}
	}
}

// brokenLimit is a Hedge that panics when it is asked for the delay the n-th time.
type brokenLimit struct {
	after int
	asked *atomic.Int32
}

func (b brokenLimit) New() timeout.Limit { return b }
func (b brokenLimit) Validate() error    { return nil }

func (b brokenLimit) Timeout() time.Duration {
	if int(b.asked.Add(1)) > b.after {
		panic("boom")
	}
	return 10 * ms
}

// The hedge's timer runs on a goroutine of its own, where a panic would end the program.
func TestHedge_PanicWhenDueReachesCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, l := testkit.NewParent(), testkit.NewLedger()
		p := testkit.Always(t, retry.Config{Budget: budget.Shared(l), Hedge: brokenLimit{1, new(atomic.Int32)}})
		value, returned := leave(func() {
			_, _ = retry.DoValue(ctx, p, func(ctx context.Context) (int, error) { return 0, testkit.Pause(ctx, time.Hour) })
		})
		require.False(t, returned)
		broken, ok := value.(*retry.PanicError)
		require.True(t, ok)
		require.Equal(t, "boom", broken.Value)
		l.Settled(t)
		require.Zero(t, ctx.Registered(), "contexts left on the caller's")
	})
}

// A plain call defers nothing, because of a retry that never ends the default budget takes no
// note: it is where it would be had the caller given up.
func TestBudget_PanicInRetryCountsAsCancel(t *testing.T) {
	after := func(leaves func()) (level float64, admitted int) {
		b := budget.Adaptive{}.New()
		p := testkit.Always(t, retry.Config{Budget: budget.Shared(b)})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		value, _ := leave(func() {
			_ = retry.Do(ctx, p, func(ctx context.Context) error {
				if retry.AttemptNumber(ctx) == 2 {
					cancel()
					leaves()
				}
				return testkit.ErrDown
			})
		})
		require.Contains(t, []any{nil, testkit.ErrDown}, value)
		require.NoError(t, retry.Do(t.Context(), p, func(context.Context) error { return nil }))
		level = b.(budget.Leveler).Level()
		for range 100 {
			if _, ok := b.Admit(time.Now(), budget.Retry, budget.Failed, 0); ok {
				admitted++
			}
		}
		return level, admitted
	}
	level, admitted := after(func() {})
	require.Positive(t, level)
	require.Positive(t, admitted)
	for _, leaves := range []func(){func() { panic(testkit.ErrDown) }, runtime.Goexit} {
		l, a := after(leaves)
		require.Equal(t, level, l)
		require.Equal(t, admitted, a)
	}
}
