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

// A call that waits for the budget's answer ends with its context, and leaves its place to the
// next.
func TestQueue_WaitEndsWithContext(t *testing.T) {
	for name, hedge := range map[string]timeout.Spec{"alone": nil, "with hedges": timeout.Fixed(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { waitingCalls(t, hedge) })
		})
	}
}

func waitingCalls(t *testing.T, hedge timeout.Spec) {
	p := retry.Must(retry.New(retry.Config{
		Backoff: backoff.Constant(0), Hedge: hedge, Budget: budget.Adaptive{Waiting: 1},
	}, testkit.Known()))
	verdict := make(chan struct{})
	// begin makes a call whose first attempt fails and whose second succeeds with the verdict.
	begin := func(ctx context.Context) (ended <-chan error) {
		c := make(chan error, 1)
		go func() {
			_, err := retry.DoValue(ctx, p, func(ctx context.Context) (int, error) {
				if retry.AttemptNumber(ctx) == 1 {
					return 0, testkit.ErrDown
				}
				<-verdict
				return 1, nil
			})
			c <- err
		}()
		time.Sleep(50 * time.Millisecond)
		return c
	}
	probes := [2]<-chan error{begin(t.Context()), begin(t.Context())}
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		waits := begin(ctx)
		require.Empty(t, waits, "it waits")
		require.Equal(t, retry.ReasonBudget, testkit.Stopped(t, <-begin(t.Context())).Reason, "no room for another")

		from := time.Now()
		cancel()
		e := testkit.Stopped(t, <-waits)
		require.Zero(t, time.Since(from), "at once")
		require.Equal(t, retry.ReasonCanceled, e.Reason)
		require.Equal(t, 1, e.Attempts)
		require.Equal(t, 100*time.Millisecond, e.Queued)
		require.ErrorIs(t, e, context.Canceled)
		require.ErrorIs(t, e, testkit.ErrDown)
	}
	waits := begin(t.Context())
	close(verdict)
	for _, c := range append(probes[:], waits) {
		require.NoError(t, <-c)
	}
}
