package retry_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// callInsideARequest is a call made under a request, and whether it marks that as spent.
type callInsideARequest struct {
	name   string
	cfg    retry.Config
	opts   []retry.Option
	err    error
	ctx    func(context.Context) (context.Context, context.CancelFunc)
	reason retry.Reason
	spent  bool
}

func callsInsideARequest() []callInsideARequest {
	none := testkit.NewLedger()
	none.Refuse = func(budget.Kind) bool { return true }
	says := func(o retry.Outcome) []retry.Option {
		return []retry.Option{retry.WithClassifier(func(error) retry.Outcome { return o })}
	}
	return []callInsideARequest{
		{name: "attempts", err: testkit.ErrDown, reason: retry.ReasonMaxAttempts, spent: true},
		{name: "one attempt", cfg: retry.Config{MaxAttempts: 1}, err: testkit.ErrDown, reason: retry.ReasonMaxAttempts},
		{name: "budget", cfg: retry.Config{Budget: budget.Shared(none)}, err: testkit.ErrDown, reason: retry.ReasonBudget, spent: true},
		{
			name: "no retry", err: testkit.ErrDown, opts: says(retry.Outcome{Class: retry.Transient, Forbidden: retry.ReasonNoRetry}),
			reason: retry.ReasonNoRetry, spent: true,
		},
		{
			name: "no retry, one attempt", cfg: retry.Config{MaxAttempts: 1}, err: testkit.ErrDown,
			opts: says(retry.Outcome{Class: retry.Rejected, Forbidden: retry.ReasonNoRetry}), reason: retry.ReasonNoRetry, spent: true,
		},
		{name: "hint", err: retry.After(testkit.ErrDown, time.Hour), reason: retry.ReasonHint, spent: true},
		{
			name: "hint, one attempt", cfg: retry.Config{MaxAttempts: 1}, err: retry.After(testkit.ErrDown, time.Hour),
			reason: retry.ReasonHint, spent: true,
		},
		{
			name: "deadline", err: testkit.ErrDown, reason: retry.ReasonDeadline, spent: true,
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 500*time.Millisecond)
			},
		},
		{name: "rejected", err: retry.Permanent(testkit.ErrDown), reason: retry.ReasonRejected},
		{
			name: "not idempotent", err: testkit.ErrDown, reason: retry.ReasonNotIdempotent,
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return retry.WithIdempotency(ctx, retry.NotIdempotent), func() {}
			},
		},
		{
			name: "canceled", err: testkit.ErrDown, reason: retry.ReasonCanceled,
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(500*time.Millisecond, cancel)
				return ctx, cancel
			},
		},
		{name: "gate", cfg: retry.Config{Budget: budget.Shared(&closedGate{Ledger: testkit.NewLedger()})}, reason: retry.ReasonGate, spent: true},
		{name: "success", reason: retry.ReasonSuccess},
	}
}

// The mark tells the server side to answer "do not retry": what could be done about the failure
// has been done.
func TestLayer_ExhaustedCallMarksIncomingRequest(t *testing.T) {
	for _, c := range callsInsideARequest() {
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
					w := &testkit.Watcher{}
					p := testkit.Always(t, cfg, append(c.opts, retry.WithObserver(w))...)
					_, _ = retry.DoValue(ctx, p, func(context.Context) (int, error) { return 0, c.err })
					require.Equal(t, c.reason, w.Reports[0].Reason)
					require.Equal(t, c.spent, mark.Spent())
				})
			})
		}
	}
}

// What is passed to Do is declared, and nothing that its operation does.
func TestLayer_DeclarationEndsAtOperation(t *testing.T) {
	for name, cfg := range map[string]retry.Config{
		"plain": {}, "timed": {AttemptTimeout: timeout.Fixed(time.Hour)}, "hedged": {Hedge: timeout.Fixed(time.Hour)},
		"a clock": {Budget: budget.Finagle{}},
	} {
		for _, declared := range []retry.Idempotency{retry.Idempotent, retry.NotIdempotent} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(retry.WithIdempotency(t.Context(), declared), time.Hour)
					defer cancel()
					require.Equal(t, declared, retry.Idempotency(layer.Declared(ctx)))
					sent := 0
					op := func(ctx context.Context) (int, error) {
						sent++
						require.Equal(t, retry.Undeclared, retry.Idempotency(layer.Declared(ctx)))
						require.Equal(t, sent, retry.AttemptNumber(ctx))
						inner := retry.WithIdempotency(ctx, retry.Idempotent)
						require.Equal(t, retry.Idempotent, retry.Idempotency(layer.Declared(inner)))
						require.NoError(t, ctx.Err())
						return 0, errDown
					}
					want := map[retry.Idempotency]int{retry.Idempotent: 3, retry.NotIdempotent: 1}[declared]
					cfg.Budget = budget.Unlimited{}
					p := retry.Must(retry.New(cfg))
					_, err := retry.DoValue(ctx, p, op)
					require.ErrorIs(t, err, errDown)
					require.Equal(t, want, sent, "it holds for the operation itself")
					sent = 0
					require.Error(t, retry.Do(ctx, p, func(ctx context.Context) error { _, err := op(ctx); return err }))
					require.Equal(t, want, sent)
				})
			})
		}
	}
}

// A call inside another whose context says nothing costs what any other does.
func TestLayer_DeclarationElsewhereDoesNotAllocate(t *testing.T) {
	_ = retry.WithIdempotency(t.Context(), retry.Idempotent)
	p := retry.Must(retry.New(retry.Config{}))
	ok := func(context.Context) error { return nil }
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(1000, func() { _ = retry.Do(ctx, p, ok) }))
}
