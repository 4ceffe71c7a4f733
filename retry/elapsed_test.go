package retry_test

import (
	"context"
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

func TestMaxElapsed_BoundsRetriesInEveryDriver(t *testing.T) {
	for name, do := range map[string]func(context.Context, *retry.Policy, func(context.Context) error) error{
		"Do": retry.Do,
		"DoValue": func(ctx context.Context, p *retry.Policy, op func(context.Context) error) error {
			_, err := retry.DoValue(ctx, p, func(ctx context.Context) (int, error) { return 0, op(ctx) })
			return err
		},
	} {
		for policy, cfg := range map[string]retry.Config{
			"plain":  {},
			"timed":  {AttemptTimeout: timeout.Fixed(time.Hour)},
			"gated":  {Budget: budget.ClientThrottle{Retries: budget.Unlimited{}}},
			"hedged": {Hedge: timeout.Fixed(time.Hour)},
		} {
			t.Run(name+" "+policy, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cfg.MaxAttempts, cfg.MaxElapsed = retry.Unlimited, 10*time.Second
					var w testkit.Watcher
					p := testkit.Always(t, cfg, retry.WithObserver(&w))
					start, n := time.Now(), 0
					err := do(t.Context(), p, func(context.Context) error {
						n++
						time.Sleep(2 * time.Second)
						return testkit.ErrDown
					})
					require.EqualError(t, err, "down (evenkeel: max_elapsed after 4 attempts)")
					require.ErrorIs(t, err, testkit.ErrDown)
					require.Equal(t, 4, n, "sent after 0, 3, 6 and 9 seconds")
					require.Equal(t, 11*time.Second, time.Since(start), "the last one is not cut")
					require.Equal(t, retry.ReasonMaxElapsed, w.Reports[0].Reason)
				})
			})
		}
	}
}

func TestMaxElapsed_OffByDefaultKeepsFirstAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		require.Zero(t, retry.Must(retry.New(retry.Config{})).Config().MaxElapsed)
		p := testkit.Always(t, retry.Config{MaxElapsed: 1, Backoff: backoff.Constant(0)})
		require.NoError(t, retry.Do(t.Context(), p, func(context.Context) error { time.Sleep(time.Hour); return nil }))
		err := retry.Do(t.Context(), p, func(context.Context) error { time.Sleep(time.Hour); return testkit.ErrDown })
		require.EqualError(t, err, "down (evenkeel: max_elapsed after 1 attempt)")
	})
}
