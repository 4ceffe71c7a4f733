package backoff_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// runs starts Every, whose runs take what takes says of their number, and returns when each of n
// of them began.
func runs(t *testing.T, n int, key string, period time.Duration, takes func(run int) time.Duration) []time.Time {
	var began []time.Time
	ctx, cancel := context.WithCancel(t.Context())
	err := backoff.Every(ctx, key, period, func(run context.Context) error {
		require.NoError(t, run.Err())
		began = append(began, time.Now())
		time.Sleep(takes(len(began)))
		if len(began) == n {
			cancel()
		}
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	return began
}

func TestEvery_KeepsSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const period = time.Minute
		started := time.Now()
		began := runs(t, 1000, "host1/refresh", period, func(run int) time.Duration {
			return time.Duration(run%59) * time.Second // never the same, never a period
		})
		require.Less(t, began[0].Sub(started), period)
		phase := backoff.Phase("host1/refresh", period)
		for i, at := range began {
			require.Equal(t, phase, time.Duration(at.UnixNano())%period)
			require.Equal(t, time.Duration(i)*period, at.Sub(began[0]))
		}
	})
}

func TestEvery_SameSlotsAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const period = time.Hour
		instant := func(int) time.Duration { return 0 }
		first := runs(t, 1, "a", period, instant)
		time.Sleep(17*time.Minute + 3*time.Nanosecond)
		second := runs(t, 1, "a", period, instant)
		require.Equal(t, period, second[0].Sub(first[0]))
	})
}

func TestEvery_SkipsSlotsNoOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const period = time.Minute
		began := runs(t, 4, "a", period, func(run int) time.Duration {
			return []time.Duration{150 * time.Second, time.Second, period, 0}[run-1]
		})
		require.Equal(t, 3*period, began[1].Sub(began[0]), "the slots at 1 and 2 minutes were covered")
		require.Equal(t, period, began[2].Sub(began[1]))
		require.Equal(t, period, began[3].Sub(began[2]), "a run of exactly one period covers no slot")
	})
}

func TestEvery_StopsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drained := errors.New("drained")
		ctx, cancel := context.WithCancelCause(t.Context())
		count := 0
		started := time.Now()
		done := make(chan error, 1)
		go func() {
			done <- backoff.Every(ctx, "a", time.Hour, func(context.Context) error { count++; return nil })
		}()
		time.Sleep(150 * time.Minute)
		cancel(drained)
		err := <-done
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, drained)
		require.Equal(t, 150*time.Minute, time.Since(started), "returned in the middle of a wait")
		require.GreaterOrEqual(t, count, 2)
		require.LessOrEqual(t, count, 3)
	})
}

func TestEvery_NoRunIfContextDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
		defer cancel()
		<-ctx.Done()
		started := time.Now()
		err := backoff.Every(ctx, "a", time.Hour, func(context.Context) error { t.Error("ran"); return nil })
		require.Equal(t, context.DeadlineExceeded, err)
		require.Equal(t, started, time.Now())
	})
}

func TestEvery_OnceEachPeriod(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		key := rapid.String().Draw(rt, "key")
		period := time.Duration(rapid.Int64Range(1, int64(10*365*24*time.Hour)).Draw(rt, "period"))
		late := time.Duration(rapid.Int64Range(0, int64(period)).Draw(rt, "late"))
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(late)
			started := time.Now()
			began := runs(t, 2, key, period, func(int) time.Duration { return 0 })
			require.Less(t, began[0].Sub(started), period)
			require.Equal(t, period, began[1].Sub(began[0]))
			require.Equal(t, backoff.Phase(key, period), time.Duration(began[0].UnixNano())%period)
		})
	})
}

func TestEvery_PanicsWithoutPeriod(t *testing.T) {
	require.Panics(t, func() { _ = backoff.Every(t.Context(), "a", 0, func(context.Context) error { return nil }) })
}

// askedWait is an error that says when to come back.
type askedWait time.Duration

func (askedWait) Error() string               { return "later" }
func (w askedWait) RetryAfter() time.Duration { return time.Duration(w) }

func TestEvery_HonorsRetryAfter(t *testing.T) {
	const minute = time.Minute
	for name, test := range map[string]struct {
		err  error
		next time.Duration // the slot after, from the run on
	}{
		"no error":     {nil, minute},
		"any error":    {errors.New("down"), minute},
		"negative":     {askedWait(-time.Hour), minute},
		"short":        {askedWait(time.Second), minute},
		"a period":     {askedWait(minute), minute},
		"two and more": {fmt.Errorf("run: %w", askedWait(150*time.Second)), 3 * minute},
		"for ever":     {askedWait(math.MaxInt64), 10 * minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				var began []time.Time
				_ = backoff.Every(ctx, "a", minute, func(context.Context) error {
					if began = append(began, time.Now()); len(began) == 3 {
						cancel()
					}
					if len(began) == 1 {
						return test.err
					}
					return nil
				})
				require.Equal(t, test.next, began[1].Sub(began[0]))
				require.Equal(t, minute, began[2].Sub(began[1]))
			})
		})
	}
}

func TestEvery_LongPeriodsNoOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		count := 0
		_ = backoff.Every(ctx, "a", 100*365*24*time.Hour, func(context.Context) error {
			if count++; count == 2 {
				cancel()
			}
			return askedWait(math.MaxInt64)
		})
		require.Equal(t, 2, count)
	})
}
