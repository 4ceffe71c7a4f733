package retry_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

type panicsWhenDone struct{}

func (panicsWhenDone) AttemptDone(context.Context, retry.Attempt) {}
func (panicsWhenDone) CallDone(context.Context, retry.Report)     { panic("observer") }

func TestObserver_PanicOnSuccessLeavesNoContext(t *testing.T) {
	p := retry.Must(retry.New(retry.Config{AttemptTimeout: timeout.Fixed(time.Hour)}, retry.WithObserver(panicsWhenDone{})))
	ctx := testkit.NewParent()
	require.PanicsWithValue(t, "observer", func() {
		_ = retry.Do(ctx, p, func(context.Context) error { return nil })
	})
	require.Zero(t, ctx.Registered())
}

type shut struct{ budget.Budget }

func (shut) Allow(time.Time, float64) bool { return false }

// A driver of a Call of its own, such as a stream's, marks the request as Run does.
func TestGate_MarksIncomingRequestInEveryDriver(t *testing.T) {
	p := retry.Must(retry.New(retry.Config{Budget: budget.Shared(shut{budget.Unlimited{}.New()})}))
	for name, do := range map[string]func(context.Context) error{
		"Do": func(ctx context.Context) error {
			return retry.Do(ctx, p, func(context.Context) error { return nil })
		},
		"Call": func(ctx context.Context) error {
			c := drive.Of(p).Start(time.Now(), call.Options{})
			require.Equal(t, retry.ReasonGate, c.Next(time.Now()).Reason)
			return drive.Of(p).Stopped(ctx, &c, nil, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, mark := layer.With(t.Context())
			var stopped *retry.Error
			require.ErrorAs(t, do(ctx), &stopped)
			require.Equal(t, retry.ReasonGate, stopped.Reason)
			require.True(t, mark.Spent())
		})
	}
}
