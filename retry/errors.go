package retry

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// maxHistory bounds the attempts that an Error remembers: the first, and the latest.
const maxHistory = 8

// Error is what a call came to that did not succeed. It unwraps to the last attempt's error and, if the caller's
// context ended the call, to that context's error and cause as well.
type Error struct {
	Reason      Reason
	Attempts    int           // how many were sent
	Destination string        // of the policy; empty unless it came from For
	Shadow      bool          // the answer is a refusal, perhaps only because an earlier attempt had its effect
	Waited      time.Duration // with no attempt under way; for a retry due at once only where somebody times attempts
	Last        error         // the last attempt's error; nil if none was sent
	Ended       error         // what ended the caller's context, if that ended the call
	History     []Failure     // the first failure and the latest, at most 8
}

// Failure is one attempt in an Error's history.
type Failure struct {
	Attempt int
	Class   Class
	Err     error
}

func (e *Error) Error() string {
	what := e.Last
	if what == nil {
		what = e.Ended
	}
	plural := "s"
	if e.Attempts == 1 {
		plural = ""
	}
	if what == nil {
		return fmt.Sprintf("stopped after %d attempt%s (%s)", e.Attempts, plural, e.Reason)
	}
	return fmt.Sprintf("stopped after %d attempt%s (%s): %v", e.Attempts, plural, e.Reason, what)
}

// Unwrap reaches the last attempt's error and the context's.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Last, e.Ended} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Timeout reports whether the call ran out of time, its own or the last attempt's. Together with Temporary it makes
// Error a net.Error, which net/http asks for.
func (e *Error) Timeout() bool {
	if e.Reason == ReasonDeadline && errors.Is(e.Ended, context.DeadlineExceeded) {
		return true
	}
	var t interface{ Timeout() bool }
	return e.Last != nil && errors.As(e.Last, &t) && t.Timeout()
}

// Temporary reports whether the last attempt's error says so of itself.
func (e *Error) Temporary() bool {
	var t interface{ Temporary() bool }
	return e.Last != nil && errors.As(e.Last, &t) && t.Temporary()
}

// error is what a call returns that has stopped without success.
func (c *Call) error(ctx context.Context, last error) *Error {
	e := &Error{Reason: c.reason, Attempts: c.sent, Destination: c.p.destination, Waited: c.waited, Last: last}
	if c.reason == ReasonCanceled || c.reason == ReasonDeadline {
		e.Ended = contextError(ctx)
		if e.Ended == nil && c.reason == ReasonDeadline && passed(ctx) {
			e.Ended = context.DeadlineExceeded
		}
	}
	return e
}

// passed reports whether a context's deadline has passed, whatever its timer has got round to: a server that has the same
// deadline may say so first.
func passed(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}

// contextError is what ended ctx, as one error that is both its Err and its Cause; nil if it has not ended.
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

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Permanent marks an error as Rejected: the call ends with it. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type afterError struct {
	error
	after time.Duration
}

func (e *afterError) Unwrap() error { return e.error }

// After marks an error as one after which the server asked for a wait: the next attempt is sent no sooner than d
// from now. With d below a millisecond the policy's own backoff applies. After(nil, d) is nil.
func After(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &afterError{err, d}
}

// Classify is the default classifier: an error marked Permanent is Rejected, one marked After is Transient and
// waits as told, the *Error of a call inside this one is Rejected (only one layer retries), and any other is
// Transient. A policy does not ask about the error of an operation that the attempt's timeout has ended, which is a
// Timeout, also for a call inside it that had not stopped by then. Marks are found as errors.As finds them, but not inside an *Error; Permanent outweighs the others.
func Classify(err error) Outcome {
	if err == nil {
		return Outcome{}
	}
	var m marks
	m.find(err)
	switch {
	case m.permanent:
		return Outcome{Class: Rejected, Alive: true}
	case m.inner:
		return Outcome{Class: Rejected}
	}
	return Outcome{Class: Transient, After: m.after}
}

// marks are what Classify looks for, in one walk: nearly every failure passes here, and most have no mark.
type marks struct {
	permanent, inner bool
	after            time.Duration
}

func (m *marks) find(err error) {
	for err != nil {
		switch e := err.(type) {
		case *permanentError:
			m.permanent = true
			return
		case *Error:
			m.inner = true
			return
		case *afterError:
			if m.after == 0 {
				m.after = e.after
			}
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			for _, err := range e.Unwrap() {
				m.find(err)
			}
			return
		default:
			return
		}
	}
}
