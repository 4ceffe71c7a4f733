package retry

import (
	"database/sql/driver"
	"errors"
	"io"
	"reflect"
	"strings"
	"syscall"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
)

// Error is the error of a call that stopped without success: the Reason, how many Attempts were
// sent, the Last one's error and a History. It unwraps to the last attempt's error and to the
// context's; see [call.Error].
type Error = call.Error

// Failure is one attempt in an Error's History.
type Failure = call.Failure

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

// After marks an error with a wait that the server asked for: the next attempt is sent d after
// this one failed, or later. With d below a millisecond the policy's own backoff applies.
// After(nil, d) is nil.
func After(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &afterError{err, d}
}

// Classify returns the outcome of an attempt's error as a policy without a classifier does: an
// error marked Permanent is Rejected, one marked After is Transient and waits as asked, and the
// *Error of a call inside this one is Rejected (only one layer retries). Any other is Transient.
//
// The Evidence of a lost connection (io.EOF, ECONNRESET, driver.ErrBadConn) is budget.Lost. An
// error with a method Timeout, as those of package net have, counts as a failure of the
// destination. The Evidence of all others is budget.Unknown: their retries are paid for from a
// small separate budget.
//
// Marks are found as errors.As finds them, but not inside an *Error; Permanent takes precedence.
// Permanent of cenkalti/backoff and Unrecoverable of avast/retry-go count as Permanent, so that
// code under migration keeps its meaning.
//
// A policy does not call Classify if the attempt's timeout ended the operation: that is a Timeout,
// even if the operation returned the error of a call inside it.
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
	o := Outcome{Class: Transient, After: m.after}
	switch {
	case m.lost:
		o.Evidence = budget.Lost
	case !m.network && m.after == 0:
		o.Evidence = budget.Unknown
	}
	return o
}

// foreignPermanent reports whether err is the Permanent of another library, which it recognizes by
// the name of its type, because that library is not imported.
func foreignPermanent(err error) bool {
	t := reflect.TypeOf(err)
	switch t.String() {
	case "*backoff.PermanentError":
		return strings.HasPrefix(t.Elem().PkgPath(), "github.com/cenkalti/backoff")
	case "retry.unrecoverableError":
		return strings.HasPrefix(t.PkgPath(), "github.com/avast/retry-go")
	}
	return false
}

// marks holds what find finds in an error.
type marks struct {
	permanent bool          // Permanent, or another library's
	inner     bool          // the *Error of a call inside this one
	network   bool          // an error with a method Timeout, as those of package net have
	lost      bool          // a connection was lost, and perhaps other calls with it
	after     time.Duration // of the first After found
}

// Windows reports a lost connection by these numbers. No other system has them, and the constants
// that package syscall has there under the usual names are in no error.
const (
	wsaAborted = syscall.Errno(10053)
	wsaReset   = syscall.Errno(10054)
)

// find sets m to the marks of err. It does so in one walk, because nearly every failure is
// searched, and most have no mark.
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
		case interface{ Timeout() bool }:
			m.network = true
		default:
			if foreignPermanent(err) {
				m.permanent = true
				return
			}
		}
		switch err {
		case io.EOF, io.ErrUnexpectedEOF, driver.ErrBadConn,
			syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, wsaReset, wsaAborted:
			m.lost = true
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

// classifierOf returns the classifier of a policy. An error that WithPermanent names is Rejected;
// any other goes to the user's classifier or, if there is none, to that of withPermanents.
func classifierOf(r rules) func(error) Outcome {
	classify := r.classifier
	if classify == nil {
		classify = withPermanents(r)
	}
	if len(r.permanent) == 0 {
		return classify
	}
	return func(err error) Outcome {
		for _, sentinel := range r.permanent {
			if errors.Is(err, sentinel) {
				return Outcome{Class: Rejected, Alive: true}
			}
		}
		return classify(err)
	}
}

// permanents is implemented by a strategy that comes from another library together with that
// library's own mark for errors that no retry helps with (backoff/cenkalti).
type permanents interface{ IsPermanent(error) bool }

// withPermanents returns Classify, extended by the marks of strategies that implement permanents.
func withPermanents(r rules) func(error) Outcome {
	classify := Classify
	for _, s := range []any{r.cfg.Backoff, r.cfg.ThrottledBackoff} {
		if known, ok := s.(permanents); ok {
			before := classify
			classify = func(err error) Outcome {
				if o := before(err); o.Class != Transient || !known.IsPermanent(err) {
					return o
				}
				return Outcome{Class: Rejected, Alive: true}
			}
		}
	}
	return classify
}
