package drive

import (
	"context"
	"math"
	"time"

	"github.com/evenkeel-go/evenkeel/timeout"
)

// timed returns a context for one attempt that may take d: what context.WithTimeoutCause(ctx, d,
// timeout.ErrAttempt) returns, with a cancel function that must be called. If d <= 0 (no limit) or
// ctx's own deadline is no later, it returns ctx itself without a timer or an allocation.
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
	if left == math.MaxInt64 { // the deadline is further away than a Duration can hold
		return context.WithTimeoutCause(ctx, d, timeout.ErrAttempt)
	}
	// d from now, without the second clock read that context.WithTimeout would make.
	return context.WithDeadlineCause(ctx, deadline.Add(d-left), timeout.ErrAttempt)
}

// nothing does nothing: it is the cancel function of a context that timed did not create.
func nothing() {}
