package retry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// An inner call that the outer attempt's timeout has ended has not stopped for a reason of its
// own.
func TestNested_OuterRetriesItsTimeout(t *testing.T) {
	for _, attempts := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			outer := testkit.Always(t, retry.Config{AttemptTimeout: timeout.Fixed(time.Second)})
			inner := testkit.Always(t, retry.Config{MaxAttempts: attempts})
			n := 0
			require.NoError(t, retry.Do(t.Context(), outer, func(ctx context.Context) error {
				return retry.Do(ctx, inner, func(ctx context.Context) error {
					if n++; n < 3 {
						return testkit.Pause(ctx, time.Hour)
					}
					return nil
				})
			}))
			require.Equal(t, 3, n)
		})
	}
}

// It has if it stopped before that, whatever its last error: only one layer retries.
func TestNested_LateExhaustedCallIsRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer := testkit.Always(t, retry.Config{AttemptTimeout: timeout.Fixed(time.Second)})
		inner := testkit.Always(t, retry.Config{MaxAttempts: 1, AttemptTimeout: timeout.Fixed(500 * ms)})
		n := 0
		err := retry.Do(t.Context(), outer, func(ctx context.Context) error {
			n++
			err := retry.Do(ctx, inner, func(ctx context.Context) error { return testkit.Pause(ctx, time.Hour) })
			<-ctx.Done()
			return err
		})
		require.Equal(t, retry.ReasonMaxAttempts, testkit.Stopped(t, err).Reason)
		require.Equal(t, 1, n)
	})
}

func TestNested_InnerDoesNotRetryOuterTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer := testkit.Always(t, retry.Config{MaxAttempts: 2, AttemptTimeout: timeout.Fixed(time.Second)})
		inner := testkit.Always(t, retry.Config{AttemptTimeout: timeout.Fixed(time.Hour)})
		innerCalls := 0
		var innerErrs []error
		err := retry.Do(t.Context(), outer, func(ctx context.Context) error {
			err := retry.Do(ctx, inner, func(ctx context.Context) error {
				innerCalls++
				<-ctx.Done()
				return ctx.Err()
			})
			innerErrs = append(innerErrs, err)
			return errors.New("text only")
		})
		require.Equal(t, retry.ReasonMaxAttempts, testkit.Stopped(t, err).Reason)
		require.Equal(t, 2, innerCalls)
		for _, err := range innerErrs {
			require.Equal(t, retry.ReasonDeadline, testkit.Stopped(t, err).Reason)
			require.ErrorIs(t, err, timeout.ErrAttempt)
		}
	})
}

func TestNested_OnlyOneLayerRetries(t *testing.T) {
	p := testkit.Always(t, retry.Config{Backoff: backoff.None()})
	leaf := 0
	inner := func(ctx context.Context) error {
		return retry.Do(ctx, p, func(context.Context) error { leaf++; return testkit.ErrDown })
	}
	for name, outer := range map[string]func(context.Context) error{
		"as it is":    inner,
		"wrapped":     func(ctx context.Context) error { return fmt.Errorf("in the handler: %w", inner(ctx)) },
		"with a hint": func(ctx context.Context) error { return retry.After(inner(ctx), time.Second) },
		"three deep": func(ctx context.Context) error {
			return retry.Do(ctx, p, func(ctx context.Context) error { return retry.Do(ctx, p, inner) })
		},
	} {
		leaf = 0
		err := retry.Do(t.Context(), p, outer)
		require.Equal(t, 3, leaf, name)
		require.Equal(t, retry.ReasonMaxAttempts, testkit.Stopped(t, err).Reason, "%s: the layer that retried says why it stopped", name)
		require.ErrorIs(t, err, testkit.ErrDown)
	}
}

func TestAttemptNumber(t *testing.T) {
	require.Equal(t, 1, retry.AttemptNumber(t.Context()))
	var numbers []int
	_ = retry.Do(t.Context(), testkit.Always(t, retry.Config{Backoff: backoff.None()}), func(ctx context.Context) error {
		numbers = append(numbers, retry.AttemptNumber(ctx))
		return testkit.ErrDown
	})
	require.Equal(t, []int{1, 2, 3}, numbers)
}

func TestAttemptNumber_CallInsideResend(t *testing.T) {
	p := testkit.Always(t, retry.Config{MaxAttempts: 2, Backoff: backoff.None()})
	var numbers []int
	_ = retry.Do(t.Context(), p, func(ctx context.Context) error {
		_ = retry.Do(ctx, p, func(ctx context.Context) error {
			numbers = append(numbers, retry.AttemptNumber(ctx))
			return testkit.ErrDown
		})
		return testkit.ErrDown
	})
	require.Equal(t, []int{1, 2, 2, 2}, numbers)
}
