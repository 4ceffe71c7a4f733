package retry_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestDoRetriesUntilSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := retry.Must(retry.New(retry.Config{Backoff: backoff.Constant(time.Second)}))
		start, calls := time.Now(), 0
		err := retry.Do(t.Context(), p, func(context.Context) error {
			calls++
			if calls < 3 {
				return errDown
			}
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, 3, calls)
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}

func TestHedgeWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := retry.Must(retry.New(retry.Config{Hedge: timeout.Fixed(10 * time.Millisecond)}))
		start := time.Now()
		v, err := retry.DoValue(t.Context(), p, func(ctx context.Context) (int, error) {
			n := retry.AttemptNumber(ctx)
			d := time.Second
			if n == 2 {
				d = 5 * time.Millisecond
			}
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(d):
				return n, nil
			}
		})
		require.NoError(t, err)
		require.Equal(t, 2, v)
		require.Equal(t, 15*time.Millisecond, time.Since(start))
	})
}
