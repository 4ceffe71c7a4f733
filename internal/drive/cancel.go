package drive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/evenkeel-go/evenkeel/call"
)

// Ended returns why a call stops whose context has ended. By the clock alone, a call that was
// canceled before its deadline and noticed it afterwards would seem to have missed that.
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

// contextError returns what ended ctx, as one error that is both its Err and its Cause; nil if it
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

// passed reports whether a context's deadline has passed, whatever its timer has got round to: a
// server that has the same deadline may say so first.
func passed(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}
