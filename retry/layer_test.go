package retry_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// The mark tells the server side to answer "do not retry": what could be done about the failure has been done.
func TestACallThatWasSpentMarksTheRequestAboveIt(t *testing.T) {
	none := newLedger()
	none.refuse = func(budget.Kind) bool { return true }
	says := func(o retry.Outcome) []retry.Option {
		return []retry.Option{retry.WithClassifier(func(error) retry.Outcome { return o })}
	}
	for _, c := range []struct {
		name   string
		cfg    retry.Config
		opts   []retry.Option
		err    error
		ctx    func(context.Context) (context.Context, context.CancelFunc)
		reason retry.Reason
		spent  bool
	}{
		{name: "attempts", err: errDown, reason: retry.ReasonMaxAttempts, spent: true},
		{name: "one attempt", cfg: retry.Config{MaxAttempts: 1}, err: errDown, reason: retry.ReasonMaxAttempts},
		{name: "budget", cfg: retry.Config{Budget: budget.Shared(none)}, err: errDown, reason: retry.ReasonBudget, spent: true},
		{
			name: "no retry", err: errDown, opts: says(retry.Outcome{Class: retry.Transient, NoRetry: true}),
			reason: retry.ReasonNoRetry, spent: true,
		},
		{
			name: "no retry, one attempt", cfg: retry.Config{MaxAttempts: 1}, err: errDown,
			opts: says(retry.Outcome{Class: retry.Rejected, NoRetry: true}), reason: retry.ReasonNoRetry, spent: true,
		},
		{name: "hint", err: retry.After(errDown, time.Hour), reason: retry.ReasonHint, spent: true},
		{
			name: "hint, one attempt", cfg: retry.Config{MaxAttempts: 1}, err: retry.After(errDown, time.Hour),
			reason: retry.ReasonHint, spent: true,
		},
		{
			name: "deadline", err: errDown, reason: retry.ReasonDeadline, spent: true,
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 500*time.Millisecond)
			},
		},
		{name: "rejected", err: retry.Permanent(errDown), reason: retry.ReasonRejected},
		{
			name: "not idempotent", err: errDown, reason: retry.ReasonNotIdempotent,
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return retry.WithIdempotency(ctx, retry.NotIdempotent), func() {}
			},
		},
		{
			name: "canceled", err: errDown, reason: retry.ReasonCanceled,
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(500*time.Millisecond, cancel)
				return ctx, cancel
			},
		},
		{name: "gate", cfg: retry.Config{Budget: budget.Shared(&closedGate{ledger: newLedger()})}, reason: retry.ReasonGate, spent: true},
		{name: "success", reason: retry.ReasonSuccess},
	} {
		for name, hedge := range map[string]timeout.Spec{"in turn": nil, "hedged": timeout.Fixed(time.Hour)} {
			t.Run(c.name+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, mark := layer.With(t.Context())
					if c.ctx != nil {
						var cancel context.CancelFunc
						ctx, cancel = c.ctx(ctx)
						defer cancel()
					}
					cfg := c.cfg
					cfg.Hedge = hedge
					w := &watcher{}
					p := always(t, cfg, append(c.opts, retry.WithObserver(w))...)
					_, _ = retry.DoValue(ctx, p, func(context.Context) (int, error) { return 0, c.err })
					require.Equal(t, c.reason, w.reports[0].Reason)
					require.Equal(t, c.spent, mark.Spent())
				})
			})
		}
	}
}
