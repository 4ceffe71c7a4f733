package timeout

import (
	"context"
	"time"
)

// ErrAttempt is the cause of a context that [Attempt] ended: context.Cause(ctx) == ErrAttempt tells an attempt's own
// timeout, which is worth a retry, from its caller's deadline, which is not. It is a context.DeadlineExceeded.
//
// A caller can be an attempt of another call, and its cause is then inherited: ask the caller's context first.
var ErrAttempt error = &deadlineError{"evenkeel: the attempt's timeout passed"}

// Attempt returns a context for one attempt that may take d. It is ctx itself, and cancel does nothing, when d <= 0
// (no limit) or when ctx's own deadline comes no later: a timer could change nothing, so none is set and nothing is
// allocated. Else it is context.WithTimeoutCause(ctx, d, ErrAttempt), and cancel must be called.
// The clock is not read when ctx has no deadline or d <= 0, beyond what context.WithTimeout does.
func Attempt(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return ctx, nothing
	}
	deadline, ok := ctx.Deadline()
	if ok && time.Until(deadline) <= d {
		return ctx, nothing
	}
	return context.WithTimeoutCause(ctx, d, ErrAttempt)
}
