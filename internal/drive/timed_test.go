package drive_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestTimed_EndsByOwnTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, caller := range map[string]context.Context{
			"no deadline":      context.Background(),
			"a later deadline": within(t, time.Hour),
			"in 500 years":     inTheYear(t, 2500),
			"wall clock only":  until(t, time.Now().Add(time.Hour).Round(0)),
		} {
			start := time.Now()
			ctx, cancel := drive.Timed(caller, 250*time.Millisecond)
			<-ctx.Done()
			require.Equal(t, 250*time.Millisecond, time.Since(start), name)
			require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded, name)
			require.Equal(t, timeout.ErrAttempt, context.Cause(ctx), name)
			require.NoError(t, caller.Err(), name)
			cancel()
		}
	})
}

func TestTimed_CanceledByCaller(t *testing.T) {
	caller, end := context.WithCancelCause(context.Background())
	ctx, cancel := drive.Timed(caller, time.Hour)
	defer cancel()
	bye := errors.New("bye")
	end(bye)
	require.ErrorIs(t, ctx.Err(), context.Canceled)
	require.Equal(t, bye, context.Cause(ctx))
}

func TestTimed_NoUselessTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller := within(t, time.Second)
		expired := within(t, -time.Second)
		for name, c := range map[string]struct {
			caller context.Context
			d      time.Duration
		}{
			"no limit":                  {caller, 0},
			"a negative one":            {caller, math.MinInt64},
			"no limit and no deadline":  {context.Background(), 0},
			"the deadline is sooner":    {caller, 2 * time.Second},
			"it comes at the same time": {caller, time.Second},
			"it has passed":             {expired, time.Nanosecond},
			"the limit is huge":         {caller, math.MaxInt64},
		} {
			ctx, cancel := drive.Timed(c.caller, c.d)
			require.Equal(t, c.caller, ctx, name)
			cancel()
			if c.caller != expired {
				require.NoError(t, ctx.Err(), "%s: cancel does nothing", name)
			}
			require.Zero(t, testing.AllocsPerRun(100, func() { drive.Timed(c.caller, c.d) }), name)
		}
		<-caller.Done()
		require.Equal(t, context.DeadlineExceeded, context.Cause(caller), "the caller's deadline, not an attempt's")
	})
}

func TestTimed_HugeLimitNoDeadline(t *testing.T) {
	ctx, cancel := drive.Timed(context.Background(), math.MaxInt64)
	require.NoError(t, ctx.Err())
	cancel()
	require.Equal(t, context.Canceled, context.Cause(ctx))
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func inTheYear(t *testing.T, year int) context.Context {
	t.Helper()
	return until(t, time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))
}

func until(t *testing.T, deadline time.Time) context.Context {
	t.Helper()
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	t.Cleanup(cancel)
	return ctx
}

func BenchmarkAttempt(b *testing.B) {
	type start func(context.Context, time.Duration) (context.Context, context.CancelFunc)
	run := func(name string, ctx context.Context, d time.Duration, f start) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, cancel := f(ctx, d)
				cancel()
			}
		})
	}
	hour, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	never := context.Background()
	run("none", never, 0, drive.Timed)
	run("skipped", hour, 2*time.Hour, drive.Timed)
	run("never/WithTimeout", never, time.Minute, context.WithTimeout)
	run("never/Attempt", never, time.Minute, drive.Timed)
	run("hour/WithTimeout", hour, time.Minute, context.WithTimeout)
	run("hour/Attempt", hour, time.Minute, drive.Timed)
}
