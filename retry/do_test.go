package retry_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	cenkalti "github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestPermanent_EndsCall(t *testing.T) {
	for _, wrap := range []func(error) error{
		retry.Permanent,
		func(err error) error { return fmt.Errorf("order 7: %w", retry.Permanent(err)) },
		func(err error) error { return retry.Permanent(retry.After(err, time.Second)) },
	} {
		calls, w := 0, &testkit.Watcher{}
		marked := wrap(testkit.ErrDown)
		err := retry.Do(t.Context(), testkit.Always(t, retry.Config{}, retry.WithObserver(w)), func(context.Context) error {
			calls++
			return marked
		})
		require.Equal(t, 1, calls)
		require.Equal(t, marked, err)
		require.Equal(t, retry.ReasonRejected, w.Reports[0].Reason)
		require.Equal(t, 1, w.Reports[0].Attempts)
	}
	require.NoError(t, retry.Permanent(nil))
	require.EqualError(t, retry.Permanent(testkit.ErrDown), "down", "the mark does not show")
}

func TestPermanent_ShowsServerAlive(t *testing.T) {
	l := testkit.NewLedger()
	p := testkit.Always(t, retry.Config{Budget: budget.Shared(l)})
	_ = retry.Do(t.Context(), p, func(context.Context) error { return retry.Permanent(testkit.ErrDown) })
	require.Equal(t, []budget.Evidence{budget.Alive}, l.Ends)
}

func TestCancel_WithCause(t *testing.T) {
	for _, name := range []string{"while it waits", "during an attempt"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cause := errors.New("the user closed the window")
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(1500*time.Millisecond, func() { cancel(cause) })
				wait, work := time.Hour, time.Millisecond
				if name == "during an attempt" {
					wait, work = time.Second, time.Second
				}
				calls := 0
				err := retry.Do(ctx, testkit.Always(t, retry.Config{Backoff: backoff.Constant(wait)}), func(ctx context.Context) error {
					calls++
					_ = testkit.Pause(ctx, work)
					return testkit.ErrDown
				})
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, cause)
				require.ErrorIs(t, err, testkit.ErrDown, "the attempt's own error as well")
				e := testkit.Stopped(t, err)
				require.Equal(t, retry.ReasonCanceled, e.Reason)
				require.Equal(t, calls, e.Attempts)
				require.False(t, e.Timeout())
			})
		})
	}
}

func TestCancel_CauseNotRepeated(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := fmt.Errorf("shutting down: %w", context.Canceled)
	cancel(cause)
	err := retry.Do(ctx, testkit.Always(t, retry.Config{}), func(context.Context) error { return nil })
	require.Equal(t, cause, testkit.Stopped(t, err).Ended)
}

func TestDo_EndedContextSendsNothing(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel2 := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel2()
	for _, p := range []*retry.Policy{
		testkit.Always(t, retry.Config{}),
		testkit.Always(t, retry.Config{AttemptTimeout: timeout.Fixed(time.Second)}),
		testkit.Always(t, retry.Config{Hedge: timeout.Fixed(time.Second)}),
		testkit.Always(t, retry.Config{}, retry.WithObserver(&testkit.Watcher{})),
	} {
		for ctx, want := range map[context.Context]retry.Reason{
			canceled: retry.ReasonCanceled, late: retry.ReasonDeadline,
		} {
			v, err := retry.DoValue(ctx, p, func(context.Context) (int, error) { panic("sent") })
			e := testkit.Stopped(t, err)
			require.Equal(t, want, e.Reason)
			require.ErrorIs(t, err, ctx.Err())
			require.Zero(t, e.Attempts)
			require.NoError(t, e.Last)
			require.Zero(t, v)
			require.Equal(t, want == retry.ReasonDeadline, e.Timeout())

			err = retry.Do(ctx, p, func(context.Context) error { panic("sent") })
			require.Equal(t, want, testkit.Stopped(t, err).Reason)
		}
	}
}

func TestDo_ServerHangsUpEveryTime(t *testing.T) {
	for _, max := range []int{1, 2, 3, 7} {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			err := retry.Do(t.Context(), testkit.Always(t, retry.Config{MaxAttempts: max}), func(context.Context) error {
				calls++
				return fmt.Errorf("hung up %d: %w", calls, testkit.ErrDown)
			})
			require.Equal(t, max, calls)
			if max == 1 {
				require.EqualError(t, err, "hung up 1: down", "nothing was added to it")
				return
			}
			e := testkit.Stopped(t, err)
			require.Equal(t, retry.ReasonMaxAttempts, e.Reason)
			require.Equal(t, max, e.Attempts)
			require.EqualError(t, e.Last, fmt.Sprintf("hung up %d: down", max), "the last attempt's error")
			require.Equal(t, time.Duration(max-1)*time.Second, e.Waited)
		})
	}
}

func TestMaxAttempts_OneReturnsResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		v, err := retry.DoValue(t.Context(), testkit.Always(t, retry.Config{MaxAttempts: 1}), func(context.Context) (string, error) {
			return "half an answer", testkit.ErrDown
		})
		require.ErrorIs(t, err, testkit.ErrDown)
		require.Equal(t, "half an answer", v)
		require.Zero(t, time.Since(start))
	})
}

func TestNotIdempotent_SentOnceUnlessUnprocessed(t *testing.T) {
	ctx := retry.WithIdempotency(t.Context(), retry.NotIdempotent)
	for class, want := range map[retry.Class]int{
		retry.Transient: 1, retry.Throttled: 1, retry.Timeout: 1, retry.Unprocessed: 3, retry.Rejected: 1,
	} {
		w := &testkit.Watcher{}
		p := testkit.Always(t, retry.Config{Backoff: backoff.None(), ThrottledBackoff: backoff.None()},
			retry.WithObserver(w), retry.WithClassifier(func(error) retry.Outcome { return retry.Outcome{Class: class} }))
		calls := 0
		op := func(context.Context) error { calls++; return testkit.ErrDown }
		err := retry.Do(ctx, p, op)
		require.Equal(t, want, calls, class)
		require.ErrorIs(t, err, testkit.ErrDown)
		if want == 1 && class != retry.Rejected {
			require.Equal(t, testkit.ErrDown, err)
			require.Equal(t, retry.ReasonNotIdempotent, w.Reports[0].Reason)
		}
		if class != retry.Rejected {
			calls = 0
			require.Error(t, retry.Do(retry.WithIdempotency(ctx, retry.Idempotent), p, op))
			require.Equal(t, 3, calls, "the innermost word counts: %v", class)
		}
	}
	require.Equal(t, retry.Undeclared, retry.Idempotency(layer.Declared(t.Context())))
	require.Equal(t, retry.NotIdempotent, retry.Idempotency(layer.Declared(ctx)))
}

func TestClassifier_Decides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := 0
		p := testkit.Always(t, retry.Config{}, retry.WithClassifier(func(err error) retry.Outcome {
			seen++
			require.ErrorIs(t, err, testkit.ErrDown)
			if seen == 1 {
				return retry.Outcome{Class: retry.Throttled}
			}
			return retry.Outcome{Class: retry.Success}
		}))
		start := time.Now()
		err := retry.Do(t.Context(), p, func(context.Context) error { return testkit.ErrDown })
		require.Equal(t, testkit.ErrDown, err, "an error that is a success is handed over as it is")
		require.Equal(t, 10*time.Second, time.Since(start), "a throttled answer has its own backoff")
		require.Equal(t, 2, seen)
	})
}

func TestClassify(t *testing.T) {
	rejected, inner := retry.Outcome{Class: retry.Rejected, Alive: true}, retry.Outcome{Class: retry.Rejected}
	after := func(d time.Duration) retry.Outcome { return retry.Outcome{Class: retry.Transient, After: d} }
	hint, spent := retry.After(testkit.ErrDown, time.Second), &retry.Error{Reason: retry.ReasonBudget}
	for _, c := range []struct {
		name string
		err  error
		want retry.Outcome
	}{
		{"nil", nil, retry.Outcome{}},
		{"any", testkit.ErrDown, retry.Outcome{Class: retry.Transient, Evidence: budget.Unknown}},
		{"a network's", fmt.Errorf("get: %w", &net.OpError{Op: "read", Err: testkit.ErrDown}), retry.Outcome{Class: retry.Transient}},
		{"an end", fmt.Errorf("read: %w", io.ErrUnexpectedEOF), retry.Outcome{Class: retry.Transient, Evidence: budget.Lost}},
		{"a reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, retry.Outcome{Class: retry.Transient, Evidence: budget.Lost}},
		{"an abort", &net.OpError{Op: "write", Err: syscall.ECONNABORTED}, retry.Outcome{Class: retry.Transient, Evidence: budget.Lost}},
		{
			"a reset on Windows", &net.OpError{Op: "read", Err: os.NewSyscallError("wsarecv", syscall.Errno(10054))},
			retry.Outcome{Class: retry.Transient, Evidence: budget.Lost},
		},
		{
			"an abort on Windows", &net.OpError{Op: "write", Err: os.NewSyscallError("wsasend", syscall.Errno(10053))},
			retry.Outcome{Class: retry.Transient, Evidence: budget.Lost},
		},
		{"a pool's", driver.ErrBadConn, retry.Outcome{Class: retry.Transient, Evidence: budget.Lost}},
		{"a context's error that is not the caller's", context.Canceled, retry.Outcome{Class: retry.Transient, Evidence: budget.Unknown}},
		{"a deadline that is not the caller's", context.DeadlineExceeded, retry.Outcome{Class: retry.Transient}},
		{"a hint", hint, after(time.Second)},
		{"the outer of two hints", retry.After(hint, time.Minute), after(time.Minute)},
		{"wrapped", fmt.Errorf("call: %w", hint), after(time.Second)},
		{"joined", errors.Join(testkit.ErrDown, fmt.Errorf("call: %w", hint)), after(time.Second)},
		{"deep in a join", errors.Join(testkit.ErrDown, errors.Join(testkit.ErrDown, retry.Permanent(testkit.ErrDown))), rejected},
		{"several below one", fmt.Errorf("%w, %w", hint, retry.Permanent(testkit.ErrDown)), rejected},
		{"permanent after a hint", retry.After(retry.Permanent(testkit.ErrDown), time.Second), rejected},
		{"a call inside", spent, inner},
		{"a call inside, with a hint", retry.After(spent, time.Second), inner},
		{"a call inside, joined", errors.Join(hint, spent), inner},
		{"a mark that a migration left behind", fmt.Errorf("call: %w", cenkalti.Permanent(testkit.ErrDown)), rejected},
		{"a call inside, and permanent", errors.Join(spent, retry.Permanent(testkit.ErrDown)), rejected},
	} {
		require.Equal(t, c.want, retry.Classify(c.err), c.name)
	}
}

func TestBudget_RunsOutMidCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := testkit.NewLedger()
		l.Refuse = func(budget.Kind) bool { return l.Admits >= 1 }
		p := testkit.Always(t, retry.Config{MaxAttempts: 10, Budget: budget.Shared(l)})
		start := time.Now()
		err := retry.Do(t.Context(), p, func(context.Context) error { return testkit.ErrDown })
		e := testkit.Stopped(t, err)
		require.Equal(t, retry.ReasonBudget, e.Reason)
		require.Equal(t, 2, e.Attempts)
		require.ErrorIs(t, err, testkit.ErrDown, "the last real error")
		require.Equal(t, time.Second, time.Since(start), "no wait for an attempt that is not sent")
		l.Settled(t)
	})
}

func TestBudget_FirstAttemptNeverRefused(t *testing.T) {
	l := testkit.NewLedger()
	l.Refuse = func(budget.Kind) bool { return true }
	p := testkit.Always(t, retry.Config{Budget: budget.Shared(l)})
	require.NoError(t, retry.Do(t.Context(), p, func(context.Context) error { return nil }))
	require.Empty(t, l.Asked)
	l.Settled(t)
}

func TestDo_NilPolicyPanics(t *testing.T) {
	require.Panics(t, func() { _ = retry.Do(t.Context(), nil, func(context.Context) error { return nil }) })
	require.Panics(t, func() {
		_, _ = retry.DoValue(t.Context(), nil, func(context.Context) (int, error) { return 0, nil })
	})
}

// lateContext is one whose deadline has passed and whose timer has not fired yet.
type lateContext struct {
	context.Context
	deadline time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.deadline, true }

func TestDeadline_LateTimer(t *testing.T) {
	ctx := lateContext{t.Context(), time.Now().Add(-time.Second)}
	err := retry.Do(ctx, testkit.Always(t, retry.Config{}), func(context.Context) error { return testkit.ErrDown })
	require.Equal(t, retry.ReasonDeadline, testkit.Stopped(t, err).Reason)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, testkit.ErrDown)

	ctx.deadline = time.Now().Add(time.Hour)
	err = retry.Do(ctx, testkit.Always(t, retry.Config{Backoff: backoff.Constant(2 * time.Hour)}), func(context.Context) error { return testkit.ErrDown })
	require.Equal(t, retry.ReasonDeadline, testkit.Stopped(t, err).Reason)
	require.NotErrorIs(t, err, context.DeadlineExceeded, "it would have passed in the wait, and has not")
}
