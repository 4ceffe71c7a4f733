package drive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/evenkeel-go/evenkeel/call"
)

// Ended returns the Reason of a call whose context has ended. It does not read the clock: a call
// canceled before its deadline may notice after it.
func Ended(ctx context.Context) call.Reason {
	if ctx.Err() == context.DeadlineExceeded {
		return call.ReasonDeadline
	}
	return call.ReasonCanceled
}

// canceled returns the outcome of an attempt whose caller gave up.
func canceled(ctx context.Context) call.Outcome {
	return call.Outcome{Class: call.Canceled, Forbidden: Ended(ctx)}
}

// contextError returns an error that matches both ctx.Err and context.Cause(ctx), or nil if ctx
// has not ended.
func contextError(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, err) {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return context.Cause(ctx)
}

// passed reports whether a context's deadline has passed, even if its timer has not fired yet: a
// server that was sent the deadline may answer first.
func passed(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}
