package retry_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestAPanicInAHookOfAHedgedCallLeavesNothing(t *testing.T) {
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

func TestReloadOfAForgottenDestinationKeepsItsBudget(t *testing.T) {
	cfg := retry.Config{MaxAttempts: 2, Backoff: backoff.None(), Budget: oneRetry}
	p, err := retry.New(cfg, testkit.Known(), retry.WithMaxDestinations(2))
	require.NoError(t, err)
	payments := p.For("payments") // kept, and For never asked again
	require.Equal(t, retry.ReasonMaxAttempts, reason(t, payments))
	for i := range 10 {
		p.For(fmt.Sprint("stranger ", i))
	}
	require.Equal(t, retry.ReasonBudget, reason(t, payments))
	next, err := payments.Reload(cfg)
	require.NoError(t, err)
	require.Equal(t, retry.ReasonBudget, reason(t, next), "the reload refilled its budget")
	require.Same(t, next, next.For("payments"))
}
