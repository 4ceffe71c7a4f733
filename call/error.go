package call

import (
	"errors"
	"strconv"
	"time"

	"github.com/evenkeel-go/evenkeel/timeout"
)

// Error is the error of a call that stopped without success. It unwraps to the last attempt's
// error and, if the caller's context ended the call, to that context's error and cause as well.
type Error struct {
	Reason      Reason
	Attempts    int           // how many were sent
	Destination string        // of the policy; empty unless it came from For
	Shadow      bool          // as in Report
	After       time.Duration // as in Report
	Waited      time.Duration // as in Report
	Queued      time.Duration // as in Report
	Hint        time.Duration // as in Report
	MaxHint     time.Duration // as in Report
	Last        error         // the last attempt's error; nil if none was sent, or for a response
	Ended       error         // what ended the caller's context, if that ended the call
	History     []Failure     // the first failure and the latest, at most 8
}

// Failure is one attempt in an Error's history.
type Failure struct {
	Attempt int
	Class   Class
	Status  string // as in Attempt
	Err     error  // nil for a response
}

// String returns the failure in words, such as "attempt 2: HTTP 503 (throttled)".
func (f Failure) String() string {
	what := f.Status
	if f.Err != nil {
		what = f.Err.Error()
	}
	s := "attempt " + strconv.Itoa(f.Attempt) + ": "
	if what == "" {
		return s + f.Class.String()
	}
	return s + what + " (" + f.Class.String() + ")"
}

// Error returns the last attempt's text, or its status, or the context's if there is neither, and
// then why the call stopped.
func (e *Error) Error() string {
	inner, ours := e.Last, ""
	if inner == nil {
		inner = e.Ended
	}
	if t, ok := inner.(*TimeoutError); ok {
		inner, ours = t.inner(), t.ours()+", "
	}
	ours += e.Reason.String() + " after " + strconv.Itoa(e.Attempts) + " attempt"
	if e.Attempts != 1 {
		ours += "s"
	}
	if e.Reason == ReasonHint && e.MaxHint > 0 {
		ours += ", hint of " + e.Hint.String() + " over MaxHint of " + e.MaxHint.String()
	}
	if inner != nil {
		return inner.Error() + " (evenkeel: " + ours + ")"
	}
	if n := len(e.History); n > 0 && e.History[n-1].Status != "" {
		return e.History[n-1].Status + " (evenkeel: " + ours + ")"
	}
	return "evenkeel: " + ours
}

// Unwrap returns the last attempt's error and the context's.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Last, e.Ended} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// comeBack is the wait before the next call if the server did not ask for one.
const comeBack = time.Second

// RetryAfter returns how long a loop that makes such calls should wait before the next one, so
// that it does not make more calls because they fail fast. The wait is what the last answer asked
// for or, if it did not ask, a second after a failure that retries did not help or were not
// allowed for. It is 0 after a refusal of this call alone (404, NOT_FOUND), and if the caller gave
// up.
func (e *Error) RetryAfter() time.Duration {
	if e.After > 0 {
		return e.After
	}
	switch e.Reason {
	case ReasonNone, ReasonSuccess, ReasonRejected, ReasonCanceled:
		return 0
	}
	return comeBack
}

// Timeout reports whether the call ran out of time, its own or the last attempt's. Together with
// Temporary it makes Error a net.Error, which net/http asks for.
func (e *Error) Timeout() bool {
	var t interface{ Timeout() bool }
	return e.Reason == ReasonDeadline && e.Ended != nil && errors.As(e.Ended, &t) && t.Timeout() ||
		e.Last != nil && errors.As(e.Last, &t) && t.Timeout()
}

// Temporary reports whether the last attempt's error, or that of a deadline that ended the call,
// has a method Temporary that returns true.
func (e *Error) Temporary() bool {
	var t interface{ Temporary() bool }
	return e.Reason == ReasonDeadline && e.Ended != nil && errors.As(e.Ended, &t) && t.Temporary() ||
		e.Last != nil && errors.As(e.Last, &t) && t.Temporary()
}

// Bare reports whether the call added nothing to the result of its one attempt: no timeout of its
// own, no wait, no refusal. A driver then returns Last itself, because callers compare errors and
// the beginnings of their texts.
func (e *Error) Bare() bool {
	if _, ours := e.Last.(*TimeoutError); ours || e.Last == nil || e.Attempts != 1 || e.Waited != 0 {
		return false
	}
	switch e.Reason {
	case ReasonBudget, ReasonHint, ReasonGate, ReasonMaxElapsed:
		return false
	case ReasonDeadline:
		return e.Ended != nil && includes(e.Last, e.Ended)
	}
	return e.Ended == nil || includes(e.Last, e.Ended)
}

// includes reports whether err contains all that ended contains.
func includes(err, ended error) bool {
	if joined, ok := ended.(interface{ Unwrap() []error }); ok {
		for _, part := range joined.Unwrap() {
			if !errors.Is(err, part) {
				return false
			}
		}
		return true
	}
	return errors.Is(err, ended)
}

// TimeoutError is the error of an attempt that its own timeout ended. errors.Is matches it with
// timeout.ErrAttempt, whatever the attempt returned.
type TimeoutError struct {
	Err   error         // what the attempt returned; leave out a context.Canceled, as the caller did not cancel
	Limit time.Duration // how long it was allowed to take
}

// Error returns the text of what the attempt returned, and then the limit.
func (e *TimeoutError) Error() string { return e.inner().Error() + " (evenkeel: " + e.ours() + ")" }

func (e *TimeoutError) ours() string { return "attempt timeout of " + e.Limit.String() }

// inner returns the attempt's error, or errDeadline if that adds nothing to the timeout.
func (e *TimeoutError) inner() error {
	if e.Err == nil || e.Err == timeout.ErrAttempt {
		return errDeadline
	}
	return e.Err
}

// errDeadline has the text of context.DeadlineExceeded, which users know.
var errDeadline = errors.New("context deadline exceeded")

// Is reports whether target is timeout.ErrAttempt or an error that ErrAttempt matches, such as
// context.DeadlineExceeded.
func (e *TimeoutError) Is(target error) bool {
	//lint:ignore SA1032 ErrAttempt is the error to search here
	return errors.Is(timeout.ErrAttempt, target)
}

// Unwrap reaches the attempt's error.
func (e *TimeoutError) Unwrap() error { return e.Err }

// Timeout returns true.
func (*TimeoutError) Timeout() bool { return true }

// Temporary returns true.
func (*TimeoutError) Temporary() bool { return true }
