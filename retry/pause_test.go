package retry_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// sharing returns a policy whose calls obey what servers ask of others, without jitter.
func sharing(t *testing.T, cfg retry.Config, opts ...retry.Option) *retry.Policy {
	cfg.HintScope = "destination"
	return testkit.Always(t, cfg, append(opts, retry.WithRand(func() float64 { return 0 }))...)
}

// ask lets a server ask for a wait of d.
func ask(t *testing.T, p *retry.Policy, d time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	require.Error(t, retry.Do(ctx, p, func(context.Context) error { return retry.After(testkit.ErrDown, d) }))
}

func TestHintScope_OtherCallsWaitInEveryDriver(t *testing.T) {
	drivers := map[string]func(context.Context, *retry.Policy, func(context.Context) error) error{
		"Do": retry.Do,
		"DoValue": func(ctx context.Context, p *retry.Policy, op func(context.Context) error) error {
			_, err := retry.DoValue(ctx, p, func(ctx context.Context) (int, error) { return 0, op(ctx) })
			return err
		},
	}
	for policy, cfg := range map[string]retry.Config{
		"plain": {}, "timed": {AttemptTimeout: timeout.Fixed(time.Hour)}, "hedged": {Hedge: timeout.Fixed(time.Hour)},
		"gated": {Budget: budget.ClientThrottle{K: 1000, Retries: budget.Unlimited{}}}, "default": {Budget: budget.Adaptive{}},
	} {
		for name, do := range drivers {
			t.Run(name+" "+policy, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var w testkit.Watcher
					p := sharing(t, cfg, retry.WithObserver(&w))
					fine := func(context.Context) error { return nil }
					require.NoError(t, do(t.Context(), p, fine))
					ask(t, p, 10*time.Second)
					start := time.Now()
					require.NoError(t, do(t.Context(), p.For("another"), fine))
					require.Zero(t, time.Since(start), "another destination")

					ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
					defer cancel()
					err := do(ctx, p, fine)
					require.EqualError(t, err, "evenkeel: paused after 0 attempts")
					require.Zero(t, time.Since(start), "it stops at once")
					stopped := testkit.Stopped(t, err)
					require.Equal(t, retry.ReasonPaused, stopped.Reason)
					require.InDelta(t, 10*time.Second, stopped.RetryAfter(), float64(time.Millisecond))

					ended, cancel := context.WithTimeout(t.Context(), time.Hour)
					time.AfterFunc(2*time.Second, cancel)
					require.ErrorIs(t, do(ended, p, fine), context.Canceled)
					require.Equal(t, 2*time.Second, time.Since(start), "a wait ends with its context")

					require.NoError(t, do(t.Context(), p, fine))
					require.InDelta(t, 10*time.Second, time.Since(start), float64(time.Millisecond))
					require.NoError(t, do(t.Context(), p, fine))
					require.InDelta(t, 10*time.Second, time.Since(start), float64(time.Millisecond), "it is over")

					n := len(w.Reports)
					require.Equal(t, retry.ReasonPaused, w.Reports[3].Reason)
					require.Zero(t, w.Reports[3].Attempts)
					require.Equal(t, retry.ReasonSuccess, w.Reports[n-2].Reason)
					require.InDelta(t, 8*time.Second, w.Reports[n-2].Waited, float64(time.Millisecond))
				})
			})
		}
	}
}

func TestHintScope_DefaultIsCall(t *testing.T) {
	for _, scope := range []string{"", "call"} {
		synctest.Test(t, func(t *testing.T) {
			p := testkit.Always(t, retry.Config{HintScope: scope})
			ask(t, p, 10*time.Second)
			start := time.Now()
			require.NoError(t, retry.Do(t.Context(), p, func(context.Context) error { return nil }))
			require.Zero(t, time.Since(start))
		})
	}
}

func TestHintScope_ReloadKeepsPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sharing(t, retry.Config{})
		ask(t, p.For("a"), 10*time.Second)
		next, err := p.Reload(retry.Config{HintScope: "destination", MaxAttempts: 7})
		require.NoError(t, err)
		start := time.Now()
		require.NoError(t, retry.Do(t.Context(), next.For("a"), func(context.Context) error { return nil }))
		require.GreaterOrEqual(t, time.Since(start), 9*time.Second)
	})
}

// A first attempt that is not sent leaves a budget and a limit as they were.
func TestHintScope_WaitingCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := testkit.NewLedger()
		p := sharing(t, retry.Config{Budget: budget.Shared(l)})
		ask(t, p, 10*time.Second)
		before := len(l.Times)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.Error(t, retry.Do(ctx, p, func(context.Context) error { panic("not sent") }))
		require.Len(t, l.Times, before)
		l.Settled(t)
	})
}
