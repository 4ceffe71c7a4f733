package call

import (
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
)

// Class groups the outcomes of attempts by whether another attempt may help.
type Class uint8

const (
	Success     Class = iota
	Rejected          // do not retry: the request is wrong, or was refused for good
	Transient         // it failed, and another attempt may succeed
	Throttled         // the server says that it is overloaded
	Timeout           // no answer came within the attempt's own timeout
	Unprocessed       // it provably never reached the application: any request is safe to repeat
	Canceled          // the caller gave up, which says nothing about the server
)

var classNames = [...]string{"success", "rejected", "transient", "throttled", "timeout", "unprocessed", "canceled"}

// String returns the class's name in logs, metrics and traces.
func (c Class) String() string { return name(classNames[:], int(c)) }

// Outcome is the result of one attempt, as a classifier describes it. The zero value is a success.
type Outcome struct {
	Class Class
	// Alive is set if the answer came from a destination that works. A success always counts as
	// alive; a Rejected is alive if the application itself refused (404, NOT_FOUND), and not if we
	// or the network did (x509, a malformed URL); a Throttled is alive if the application refuses
	// this request alone for now (409 of an idempotency key in use); an Unprocessed is alive if a
	// live connection handed the attempt back (GOAWAY, REFUSED_STREAM), and not if there was no
	// connection (a refused dial).
	Alive bool
	// Forbidden, if it is not ReasonNone, forbids another attempt of this call and is the reason:
	// ReasonNoRetry if the server said so, or a driver's own reason. For a Canceled attempt it is
	// the call's reason, ReasonCanceled or ReasonDeadline.
	Forbidden Reason
	// Shadow is set if the answer may refuse this attempt because an earlier one of the same call
	// had its effect: 404 to a second DELETE. Such an answer does not stop the call while an
	// attempt is under way. It is ignored for a first attempt.
	Shadow bool
	// After is the wait that the server asked for. 0 or less means that it did not ask.
	After time.Duration
	// Evidence, unless it is None, replaces the conclusion about the destination that follows from
	// Class and Alive: budget.Lost for a connection that had answered before and was lost with the
	// attempt, budget.Unknown for an error that no classifier knows. It is ignored for a Success
	// and a Canceled.
	Evidence budget.Evidence
}

// evidence returns what the outcome shows about the destination, for its budget.
func (o *Outcome) evidence() budget.Evidence {
	switch {
	case o.Class == Success:
		return budget.Alive
	case o.Class == Canceled:
		return budget.None
	case o.Evidence != budget.None:
		return o.Evidence
	}
	switch o.Class {
	case Rejected:
		switch {
		case o.Forbidden == ReasonNoRetry:
			return budget.Failed // gRFC A6: a "do not retry" pushback counts as a failure
		case o.Alive:
			return budget.Alive
		}
		return budget.None
	case Throttled:
		if o.Alive {
			return budget.Alive
		}
		return budget.Overloaded
	case Timeout:
		return budget.Silent
	case Unprocessed:
		if o.Alive {
			return budget.None
		}
	}
	return budget.Failed
}

// answered reports whether the attempt took as long as the destination takes to answer: a fast 503
// is not a fast answer.
func (o *Outcome) answered() bool { return o.Class == Success || o.Class == Rejected && o.Alive }

// silent reports whether the attempt shows only that the answer takes longer than it waited.
func (o *Outcome) silent() bool { return o.Class == Timeout || o.Class == Canceled }

// ambiguous reports whether the attempt may have had its effect although it failed.
func (o *Outcome) ambiguous() bool {
	switch o.Class {
	case Success, Rejected, Unprocessed:
		return false
	}
	return !o.Shadow
}
