package retry_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

var _ net.Error = (*retry.Error)(nil)

func TestError_Message(t *testing.T) {
	for _, c := range []struct {
		err  retry.Error
		want string
	}{
		{retry.Error{Reason: retry.ReasonMaxAttempts, Attempts: 3, Last: testkit.ErrDown}, "down (evenkeel: max_attempts after 3 attempts)"},
		{retry.Error{Reason: retry.ReasonRejected, Attempts: 1, Last: testkit.ErrDown}, "down (evenkeel: rejected after 1 attempt)"},
		{
			retry.Error{Reason: retry.ReasonCanceled, Ended: context.Canceled},
			"context canceled (evenkeel: canceled after 0 attempts)",
		},
		{
			retry.Error{Reason: retry.ReasonCanceled, Attempts: 1, Last: testkit.ErrDown, Ended: context.Canceled},
			"down (evenkeel: canceled after 1 attempt)",
		},
		{retry.Error{Reason: retry.ReasonNoRetry, Attempts: 2}, "evenkeel: no_retry after 2 attempts"},
		{
			retry.Error{Reason: retry.ReasonMaxAttempts, Attempts: 3, Last: &call.TimeoutError{Err: testkit.ErrDown, Limit: 50 * ms}},
			"down (evenkeel: attempt timeout of 50ms, max_attempts after 3 attempts)",
		},
		{
			retry.Error{Reason: retry.ReasonBudget, Attempts: 1, Last: &call.TimeoutError{Err: timeout.ErrAttempt, Limit: time.Second}},
			"context deadline exceeded (evenkeel: attempt timeout of 1s, budget after 1 attempt)",
		},
	} {
		require.EqualError(t, &c.err, c.want)
	}
}

// netError is an error that says of itself whether it timed out and may be tried again.
type netError struct{ timeout, temporary bool }

func (e netError) Error() string   { return "network" }
func (e netError) Timeout() bool   { return e.timeout }
func (e netError) Temporary() bool { return e.temporary }

func TestError_IsNetError(t *testing.T) {
	for _, c := range []struct {
		err                retry.Error
		timeout, temporary bool
	}{
		{err: retry.Error{Reason: retry.ReasonMaxAttempts}},
		{err: retry.Error{Reason: retry.ReasonMaxAttempts, Last: testkit.ErrDown}},
		{err: retry.Error{Reason: retry.ReasonMaxAttempts, Last: netError{timeout: true}}, timeout: true},
		{err: retry.Error{Reason: retry.ReasonMaxAttempts, Last: fmt.Errorf("dial: %w", netError{true, true})}, timeout: true, temporary: true},
		{err: retry.Error{Reason: retry.ReasonDeadline, Last: testkit.ErrDown, Ended: context.DeadlineExceeded}, timeout: true, temporary: true},
		{err: retry.Error{Reason: retry.ReasonDeadline, Last: testkit.ErrDown}}, // it would have been too late
		{err: retry.Error{Reason: retry.ReasonCanceled, Last: testkit.ErrDown, Ended: context.Canceled}},
		{err: retry.Error{Reason: retry.ReasonCanceled, Ended: errors.Join(context.Canceled, context.DeadlineExceeded)}},
	} {
		require.Equal(t, c.timeout, c.err.Timeout(), "%+v", c.err)
		require.Equal(t, c.temporary, c.err.Temporary(), "%+v", c.err)
	}
}

func TestError_UnwrapsEveryError(t *testing.T) {
	e := &retry.Error{Last: netError{}, Ended: fmt.Errorf("%w: %w", context.Canceled, testkit.ErrDown)}
	wrapped := fmt.Errorf("charging the card: %w", e)
	require.ErrorIs(t, wrapped, testkit.ErrDown)
	require.ErrorIs(t, wrapped, context.Canceled)
	var ne netError
	require.ErrorAs(t, wrapped, &ne)
	require.Same(t, e, testkit.Stopped(t, wrapped))
	require.Len(t, e.Unwrap(), 2)
	require.Empty(t, (&retry.Error{}).Unwrap())
}

func TestHistory_KeepsFirstAndLatest(t *testing.T) {
	for max, want := range map[int][]int{
		1: {1}, 2: {1, 2}, 8: {1, 2, 3, 4, 5, 6, 7, 8}, 9: {1, 3, 4, 5, 6, 7, 8, 9}, 40: {1, 34, 35, 36, 37, 38, 39, 40},
	} {
		p := testkit.Always(t, retry.Config{MaxAttempts: max, Backoff: backoff.None()})
		err := retry.Do(t.Context(), p, func(ctx context.Context) error {
			return fmt.Errorf("attempt %d", retry.AttemptNumber(ctx))
		})
		if max == 1 {
			require.EqualError(t, err, "attempt 1", "there is no history to tell")
			continue
		}
		var got []int
		for _, f := range testkit.Stopped(t, err).History {
			got = append(got, f.Attempt)
			require.Equal(t, retry.Transient, f.Class)
			require.EqualError(t, f.Err, fmt.Sprintf("attempt %d", f.Attempt))
		}
		require.Equal(t, want, got)
	}
}

func TestHistory_HedgedCallOrderedByEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hedging(t, retry.Config{MaxAttempts: 3})
		_, err := retry.DoValue(t.Context(), p, play(
			act{after: 100 * ms, err: testkit.ErrDown}, act{after: 30 * ms, err: testkit.ErrDown}, act{after: 30 * ms, err: errors.New("third")},
		))
		e := testkit.Stopped(t, err)
		require.Equal(t, []call.Failure{
			{Attempt: 2, Class: retry.Transient, Err: testkit.ErrDown},
			{Attempt: 3, Class: retry.Transient, Err: errors.New("third")},
			{Attempt: 1, Class: retry.Transient, Err: testkit.ErrDown},
		}, e.History)
		require.Equal(t, testkit.ErrDown, e.Last)
	})
}

func TestWaited_TimeWithoutAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := retry.Do(t.Context(), testkit.Always(t, retry.Config{}), func(context.Context) error {
			time.Sleep(time.Minute)
			return testkit.ErrDown
		})
		require.Equal(t, 2*time.Second, testkit.Stopped(t, err).Waited)
	})
}

func TestWaited_IncludesCanceledWait(t *testing.T) {
	for _, hedge := range []timeout.Spec{nil, timeout.Fixed(time.Hour)} {
		synctest.Test(t, func(t *testing.T) {
			w := &testkit.Watcher{}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(1500*ms, cancel)
			p := testkit.Always(t, retry.Config{Hedge: hedge}, retry.WithObserver(w))
			v, err := retry.DoValue(ctx, p, func(context.Context) (int, error) { return 7, testkit.ErrDown })
			require.Equal(t, 1500*ms, testkit.Stopped(t, err).Waited)
			require.Equal(t, 1500*ms, w.Reports[0].Waited)
			require.Zero(t, v, "as documented")
		})
	}
}

// Which of the two it was the context knows, and not the clock.
func TestError_CanceledIsNotDeadline(t *testing.T) {
	for _, hedge := range []timeout.Spec{nil, timeout.Fixed(time.Hour)} {
		synctest.Test(t, func(t *testing.T) {
			w := &testkit.Watcher{}
			ctx, mark := layer.With(t.Context())
			ctx, stop := context.WithTimeout(ctx, 10*time.Second)
			defer stop()
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(5*time.Second, cancel)
			p := testkit.Always(t, retry.Config{Hedge: hedge}, retry.WithObserver(w))
			_, err := retry.DoValue(ctx, p, func(context.Context) (int, error) {
				time.Sleep(12 * time.Second)
				return 0, testkit.ErrDown
			})
			require.Equal(t, retry.ReasonCanceled, testkit.Stopped(t, err).Reason)
			require.Equal(t, retry.ReasonCanceled, w.Reports[0].Reason)
			require.False(t, mark.Spent(), "nothing was done about it that a repetition would repeat")
		})
	}
}

// secretDeadline is one that nobody can ask for its deadline.
type secretDeadline struct{ context.Context }

func (secretDeadline) Deadline() (time.Time, bool) { return time.Time{}, false }

func TestError_HiddenDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w := &testkit.Watcher{}
		p := testkit.Always(t, retry.Config{}, retry.WithObserver(w))
		err := retry.Do(secretDeadline{ctx}, p, func(ctx context.Context) error { return testkit.Pause(ctx, time.Hour) })
		require.Equal(t, context.DeadlineExceeded, err, "which says all there is to say")
		require.Equal(t, retry.ReasonDeadline, w.Reports[0].Reason)
	})
}

func TestNames_ClassesAndReasons(t *testing.T) {
	seen := map[string]bool{}
	for c := retry.Success; c <= retry.Canceled; c++ {
		require.Regexp(t, `^[a-z]+$`, c.String())
		seen[c.String()] = true
	}
	require.Len(t, seen, 7)
	clear(seen)
	for r := retry.ReasonNone; r <= retry.ReasonPaused; r++ {
		require.Regexp(t, `^[a-z_]+$`, r.String())
		seen[r.String()] = true
	}
	require.Len(t, seen, 16)
	require.Equal(t, "unknown", retry.Class(99).String())
	require.Equal(t, "unknown", retry.Reason(255).String())
	require.Equal(t, "budget", retry.ReasonBudget.String())
	require.Equal(t, "gate", retry.ReasonGate.String())
	require.Equal(t, "throttled", retry.Throttled.String())
}
