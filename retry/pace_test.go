package retry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestRetryAfter_ReturnsWait(t *testing.T) {
	down := errors.New("down")
	for name, test := range map[string]struct {
		cfg  retry.Config
		err  error
		want time.Duration
	}{
		"the server asked": {retry.Config{MaxHint: time.Second}, retry.After(down, 7*time.Second), 7 * time.Second},
		"out of attempts":  {retry.Config{MaxAttempts: 2, Budget: budget.Unlimited{}}, down, time.Second},
		"refused for good": {retry.Config{}, retry.Permanent(down), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := retry.Do(t.Context(), retry.Must(retry.New(test.cfg)), func(context.Context) error { return test.err })
				var stopped *retry.Error
				if errors.As(err, &stopped) {
					require.Equal(t, test.want, stopped.RetryAfter())
					return
				}
				require.Zero(t, test.want)
			})
		})
	}
	for reason, want := range map[retry.Reason]time.Duration{
		retry.ReasonBudget: time.Second, retry.ReasonGate: time.Second, retry.ReasonNoRetry: time.Second,
		retry.ReasonNotReplayable: time.Second, retry.ReasonNotIdempotent: time.Second, retry.ReasonDisabled: time.Second,
		retry.ReasonRejected: 0, retry.ReasonCanceled: 0,
	} {
		require.Equal(t, want, (&retry.Error{Reason: reason}).RetryAfter(), reason)
	}
}

// A consumer whose calls take 100 ms while they succeed, and no time while they fail.
func TestPace_FailingLoopNoFasterThanUsual(t *testing.T) {
	for name, err := range map[string]error{
		"an error":       errors.New("down"),
		"refused":        fmt.Errorf("send: %w", &retry.Error{Reason: retry.ReasonBudget}),
		"do not retry":   &retry.Error{Reason: retry.ReasonNoRetry},
		"asked to wait":  &retry.Error{Reason: retry.ReasonHint, After: time.Hour},
		"asked for long": &retry.Error{Reason: retry.ReasonNoRetry, After: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var pace retry.Pace
				for range 50 {
					time.Sleep(100 * time.Millisecond)
					require.NoError(t, pace.Wait(t.Context(), nil))
				}
				began, n := time.Now(), 0
				for ; time.Since(began) < 10*time.Minute; n++ {
					require.NoError(t, pace.Wait(t.Context(), err))
				}
				require.LessOrEqual(t, n, 6600, "1.1 times the usual rate")
				require.GreaterOrEqual(t, n, 8, "it never hangs")
				began = time.Now()
				for range 10 {
					time.Sleep(100 * time.Millisecond)
					require.NoError(t, pace.Wait(t.Context(), nil))
				}
				require.Equal(t, time.Second, time.Since(began), "it goes on as before")
			})
		})
	}
}

func TestPace_RefusalDoesNotDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pace retry.Pace
		began := time.Now()
		for range 10 {
			require.NoError(t, pace.Wait(t.Context(), &retry.Error{Reason: retry.ReasonRejected}))
			require.NoError(t, pace.Wait(t.Context(), nil))
		}
		require.Equal(t, began, time.Now())
	})
}

func TestPace_FirstFailureWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pace retry.Pace
		began := time.Now()
		require.NoError(t, pace.Wait(t.Context(), errors.New("down")))
		require.GreaterOrEqual(t, time.Since(began), time.Second)
		require.LessOrEqual(t, time.Since(began), 1250*time.Millisecond)
	})
}

// A consumer that begins in an outage, and whose requests may not be repeated.
func TestPace_FailuresThatAllowNoRetryWait(t *testing.T) {
	for _, reason := range []retry.Reason{
		retry.ReasonNotIdempotent, retry.ReasonNotReplayable, retry.ReasonCommitted, retry.ReasonDisabled,
	} {
		var pace retry.Pace
		now := time.Unix(0, 0)
		for range 3 {
			d := pace.Delay(now, &retry.Error{Reason: reason})
			require.GreaterOrEqual(t, d, time.Second, reason)
			now = now.Add(d)
		}
	}
}

func TestPace_EndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var pace retry.Pace
		began := time.Now()
		require.ErrorIs(t, pace.Wait(ctx, errors.New("down")), context.DeadlineExceeded)
		require.Equal(t, 100*time.Millisecond, time.Since(began))
		require.ErrorIs(t, pace.Wait(ctx, nil), context.DeadlineExceeded)
	})
}

// The clock may be set.
func TestPace_DelayIsBounded(t *testing.T) {
	var pace retry.Pace
	now := time.Unix(1<<31, 0)
	for _, at := range []time.Time{now, now.Add(1000 * time.Hour), now.Add(-1000 * time.Hour), now} {
		pace.Delay(at, nil)
		d := pace.Delay(at, errors.New("down"))
		require.LessOrEqual(t, d, time.Minute)
		require.GreaterOrEqual(t, d, time.Duration(0))
	}
}
