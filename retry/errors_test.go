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
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

var _ net.Error = (*retry.Error)(nil)

func TestErrorMessage(t *testing.T) {
	for _, c := range []struct {
		err  retry.Error
		want string
	}{
		{retry.Error{Reason: retry.ReasonMaxAttempts, Attempts: 3, Last: errDown}, "stopped after 3 attempts (max_attempts): down"},
		{retry.Error{Reason: retry.ReasonRejected, Attempts: 1, Last: errDown}, "stopped after 1 attempt (rejected): down"},
		{retry.Error{Reason: retry.ReasonCanceled, Ended: context.Canceled}, "stopped after 0 attempts (canceled): context canceled"},
		{
			retry.Error{Reason: retry.ReasonCanceled, Attempts: 1, Last: errDown, Ended: context.Canceled},
			"stopped after 1 attempt (canceled): down",
		},
		{retry.Error{Reason: retry.ReasonNoRetry, Attempts: 2}, "stopped after 2 attempts (no_retry)"},
	} {
		require.EqualError(t, &c.err, c.want)
	}
}

// netError is an error that says of itself whether it timed out and may be tried again.
type netError struct{ timeout, temporary bool }

func (e netError) Error() string   { return "network" }
func (e netError) Timeout() bool   { return e.timeout }
func (e netError) Temporary() bool { return e.temporary }

func TestErrorIsANetError(t *testing.T) {
	for _, c := range []struct {
		err                retry.Error
		timeout, temporary bool
	}{
		{err: retry.Error{Reason: retry.ReasonMaxAttempts}},
		{err: retry.Error{Reason: retry.ReasonMaxAttempts, Last: errDown}},
		{err: retry.Error{Reason: retry.ReasonMaxAttempts, Last: netError{timeout: true}}, timeout: true},
		{err: retry.Error{Reason: retry.ReasonMaxAttempts, Last: fmt.Errorf("dial: %w", netError{true, true})}, timeout: true, temporary: true},
		{err: retry.Error{Reason: retry.ReasonDeadline, Last: errDown, Ended: context.DeadlineExceeded}, timeout: true},
		{err: retry.Error{Reason: retry.ReasonDeadline, Last: errDown}}, // it would have been too late
		{err: retry.Error{Reason: retry.ReasonCanceled, Last: errDown, Ended: context.Canceled}},
		{err: retry.Error{Reason: retry.ReasonCanceled, Ended: errors.Join(context.Canceled, context.DeadlineExceeded)}},
	} {
		require.Equal(t, c.timeout, c.err.Timeout(), "%+v", c.err)
		require.Equal(t, c.temporary, c.err.Temporary(), "%+v", c.err)
	}
}

func TestErrorReachesEveryErrorBelow(t *testing.T) {
	e := &retry.Error{Last: netError{}, Ended: fmt.Errorf("%w: %w", context.Canceled, errDown)}
	wrapped := fmt.Errorf("charging the card: %w", e)
	require.ErrorIs(t, wrapped, errDown)
	require.ErrorIs(t, wrapped, context.Canceled)
	var ne netError
	require.ErrorAs(t, wrapped, &ne)
	require.Same(t, e, stopped(t, wrapped))
	require.Len(t, e.Unwrap(), 2)
	require.Empty(t, (&retry.Error{}).Unwrap())
}

func TestHistoryKeepsTheFirstAndTheLatest(t *testing.T) {
	for max, want := range map[int][]int{
		1: {1}, 2: {1, 2}, 8: {1, 2, 3, 4, 5, 6, 7, 8}, 9: {1, 3, 4, 5, 6, 7, 8, 9}, 40: {1, 34, 35, 36, 37, 38, 39, 40},
	} {
		p := always(t, retry.Config{MaxAttempts: max, Backoff: backoff.None()})
		err := retry.Do(t.Context(), p, func(ctx context.Context) error {
			return fmt.Errorf("attempt %d", retry.AttemptNumber(ctx))
		})
		var got []int
		for _, f := range stopped(t, err).History {
			got = append(got, f.Attempt)
			require.Equal(t, retry.Transient, f.Class)
			require.EqualError(t, f.Err, fmt.Sprintf("attempt %d", f.Attempt))
		}
		require.Equal(t, want, got)
	}
}

func TestHistoryOfAHedgedCallIsInTheOrderOfTheEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hedging(t, retry.Config{MaxAttempts: 3})
		_, err := retry.DoValue(t.Context(), p, play(
			act{after: 100 * ms, err: errDown}, act{after: 30 * ms, err: errDown}, act{after: 30 * ms, err: errors.New("third")},
		))
		e := stopped(t, err)
		require.Equal(t, []retry.Failure{
			{Attempt: 2, Class: retry.Transient, Err: errDown},
			{Attempt: 3, Class: retry.Transient, Err: errors.New("third")},
			{Attempt: 1, Class: retry.Transient, Err: errDown},
		}, e.History)
		require.Equal(t, errDown, e.Last)
	})
}

func TestWaitedIsTheTimeWithNoAttemptUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := retry.Do(t.Context(), always(t, retry.Config{}), func(context.Context) error {
			time.Sleep(time.Minute)
			return errDown
		})
		require.Equal(t, 2*time.Second, stopped(t, err).Waited)
	})
}

func TestWaitedHasTheWaitInWhichTheCallerGaveUp(t *testing.T) {
	for _, hedge := range []timeout.Spec{nil, timeout.Fixed(time.Hour)} {
		synctest.Test(t, func(t *testing.T) {
			w := &watcher{}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(1500*ms, cancel)
			p := always(t, retry.Config{Hedge: hedge}, retry.WithObserver(w))
			v, err := retry.DoValue(ctx, p, func(context.Context) (int, error) { return 7, errDown })
			require.Equal(t, 1500*ms, stopped(t, err).Waited)
			require.Equal(t, 1500*ms, w.reports[0].Waited)
			require.Zero(t, v, "as documented")
		})
	}
}

// Which of the two it was the context knows, and not the clock.
func TestACancelledCallIsNotLate(t *testing.T) {
	for _, hedge := range []timeout.Spec{nil, timeout.Fixed(time.Hour)} {
		synctest.Test(t, func(t *testing.T) {
			w := &watcher{}
			ctx, mark := layer.With(t.Context())
			ctx, stop := context.WithTimeout(ctx, 10*time.Second)
			defer stop()
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(5*time.Second, cancel)
			p := always(t, retry.Config{Hedge: hedge}, retry.WithObserver(w))
			_, err := retry.DoValue(ctx, p, func(context.Context) (int, error) {
				time.Sleep(12 * time.Second)
				return 0, errDown
			})
			require.Equal(t, retry.ReasonCanceled, stopped(t, err).Reason)
			require.Equal(t, retry.ReasonCanceled, w.reports[0].Reason)
			require.False(t, mark.Spent(), "nothing was done about it that a repetition would repeat")
		})
	}
}

// secretDeadline is one that nobody can ask for its deadline.
type secretDeadline struct{ context.Context }

func (secretDeadline) Deadline() (time.Time, bool) { return time.Time{}, false }

func TestADeadlineThatNobodyKnewOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := retry.Do(secretDeadline{ctx}, always(t, retry.Config{}), func(ctx context.Context) error { return pause(ctx, time.Hour) })
		require.Equal(t, retry.ReasonDeadline, stopped(t, err).Reason)
		require.True(t, stopped(t, err).Timeout())
	})
}

func TestNamesOfClassesAndReasons(t *testing.T) {
	seen := map[string]bool{}
	for c := retry.Success; c <= retry.Canceled; c++ {
		require.Regexp(t, `^[a-z]+$`, c.String())
		seen[c.String()] = true
	}
	require.Len(t, seen, 7)
	clear(seen)
	for r := retry.ReasonNone; r <= retry.ReasonGate; r++ {
		require.Regexp(t, `^[a-z_]+$`, r.String())
		seen[r.String()] = true
	}
	require.Len(t, seen, 13)
	require.Equal(t, "unknown", retry.Class(99).String())
	require.Equal(t, "unknown", retry.Reason(255).String())
	require.Equal(t, "budget", retry.ReasonBudget.String())
	require.Equal(t, "gate", retry.ReasonGate.String())
	require.Equal(t, "throttled", retry.Throttled.String())
}
