package timeout

import (
	"context"
	"time"
)

// Reserve returns a context whose deadline is d sooner than ctx's, for work after which the caller
// needs d to clean up or to answer. context.Cause returns [ErrReserved] when the earlier deadline
// has passed.
//
//   - Without a deadline on ctx, or with d <= 0, the context returned has ctx's deadline, if any.
//   - With d or less left, the context returned has expired already, and ctx has not: work on
//     it is not started, and there is still time to answer.
//
// As with context.WithDeadline, cancel ends the context returned; call it as soon as the work is
// done.
func Reserve(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok || d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithDeadlineCause(ctx, deadline.Add(-d), ErrReserved)
}

// Left returns the time until ctx's deadline, never less than 0; false without a deadline. It
// reads the clock only if there is a deadline.
func Left(ctx context.Context) (time.Duration, bool) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0, false
	}
	return max(0, time.Until(deadline)), true
}

// ErrReserved is the cause of a context that [Reserve] ended. It is a context.DeadlineExceeded.
var ErrReserved error = &deadlineError{"context deadline exceeded (evenkeel: only the time reserved is left before the deadline)"}

// A deadlineError is what net/http and others hand out in place of ctx.Err() once a context has a
// cause, so it has to pass for context.DeadlineExceeded: by errors.Is, and as a net.Error that
// timed out.
type deadlineError struct{ msg string }

func (e *deadlineError) Error() string   { return e.msg }
func (e *deadlineError) Unwrap() error   { return context.DeadlineExceeded }
func (e *deadlineError) Timeout() bool   { return true }
func (e *deadlineError) Temporary() bool { return true }
