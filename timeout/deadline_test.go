package timeout_test

import (
	"context"
	"errors"
	"math"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/timeout"
)

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestReserve_ShortensDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		caller := within(t, time.Second)
		ctx, cancel := timeout.Reserve(caller, 200*time.Millisecond)
		defer cancel()

		<-ctx.Done()
		require.Equal(t, 800*time.Millisecond, time.Since(start))
		require.NoError(t, caller.Err(), "there is time left to answer")
		require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
		require.Equal(t, timeout.ErrReserved, context.Cause(ctx))
	})
}

func TestReserve_WithoutDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller := within(t, time.Second)
		for name, c := range map[string]struct {
			caller context.Context
			d      time.Duration
		}{
			"no deadline": {context.Background(), time.Second},
			"zero":        {caller, 0},
			"negative":    {caller, -time.Second},
			"hugely so":   {caller, math.MinInt64},
		} {
			ctx, cancel := timeout.Reserve(c.caller, c.d)
			want, timed := c.caller.Deadline()
			deadline, ok := ctx.Deadline()
			require.Equal(t, timed, ok, name)
			require.Equal(t, want, deadline, name)
			require.NoError(t, ctx.Err(), name)
			cancel()
			require.ErrorIs(t, ctx.Err(), context.Canceled, "%s: who cancels the work means it", name)
			require.NoError(t, c.caller.Err(), name)
		}
	})
}

func TestReserve_MoreThanLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller := within(t, time.Second)
		for _, d := range []time.Duration{time.Second, time.Hour, math.MaxInt64} {
			ctx, cancel := timeout.Reserve(caller, d)
			require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded, "%v", d)
			require.Equal(t, timeout.ErrReserved, context.Cause(ctx), "%v", d)
			cancel()
		}
		require.NoError(t, caller.Err())
	})
}

func TestReserve_EndsWithParentOrCancel(t *testing.T) {
	caller, end := context.WithCancelCause(within(t, time.Hour))
	ctx, cancel := timeout.Reserve(caller, time.Minute)
	defer cancel()
	bye := errors.New("bye")
	end(bye)
	require.ErrorIs(t, ctx.Err(), context.Canceled)
	require.Equal(t, bye, context.Cause(ctx))

	ctx, cancel = timeout.Reserve(within(t, time.Hour), time.Minute)
	cancel()
	require.ErrorIs(t, ctx.Err(), context.Canceled)
}

func TestLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ok := timeout.Left(context.Background())
		require.False(t, ok)

		ctx := within(t, time.Second)
		left, ok := timeout.Left(ctx)
		require.True(t, ok)
		require.Equal(t, time.Second, left)
		time.Sleep(400 * time.Millisecond)
		left, _ = timeout.Left(ctx)
		require.Equal(t, 600*time.Millisecond, left)
		time.Sleep(time.Hour)
		left, ok = timeout.Left(ctx)
		require.True(t, ok)
		require.Zero(t, left, "never less than nothing")
	})
}

// net/http and others return the cause in place of ctx.Err().
func TestCause_IsDeadlineExceeded(t *testing.T) {
	for _, err := range []error{timeout.ErrAttempt, timeout.ErrReserved} {
		require.ErrorIs(t, err, context.DeadlineExceeded)
		var asNet net.Error
		require.ErrorAs(t, err, &asNet)
		require.True(t, asNet.Timeout())
		require.True(t, err.(interface{ Temporary() bool }).Temporary(), "as context.DeadlineExceeded is")
		require.NotEqual(t, context.DeadlineExceeded.Error(), err.Error(), "it says which")
	}
	require.NotErrorIs(t, timeout.ErrAttempt, timeout.ErrReserved)
	require.NotErrorIs(t, timeout.ErrReserved, timeout.ErrAttempt)
}
