package drive

import (
	"context"
	"math"
	"time"

	"github.com/evenkeel-go/evenkeel/timeout"
)

// timed returns a context for one attempt that may take d. It is ctx itself, and cancel does
// nothing, when d <= 0 (no limit) or when ctx's own deadline comes no later: a timer could change
// nothing, so none is set and nothing is allocated. Else it is context.WithTimeoutCause(ctx, d,
// timeout.ErrAttempt), and cancel must be called. Without a deadline on ctx, or with d <= 0, it
// reads the clock no more often than context.WithTimeout.
func timed(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return ctx, nothing
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithTimeoutCause(ctx, d, timeout.ErrAttempt)
	}
	left := time.Until(deadline)
	if left <= d {
		return ctx, nothing
	}
	if left == math.MaxInt64 { // or more: a Duration reaches no further
		return context.WithTimeoutCause(ctx, d, timeout.ErrAttempt)
	}
	// d from now, without the second and dearer reading of the clock that context.WithTimeout
	// would make.
	return context.WithDeadlineCause(ctx, deadline.Add(d-left), timeout.ErrAttempt)
}

// nothing stands for the cancel function of a context that was not made here.
func nothing() {}
