package retry

import (
	"math"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
)

// Class sorts what an attempt came to by what it says about trying again.
type Class uint8

const (
	Success     Class = iota
	Rejected          // do not retry: the request is wrong, or was refused for good
	Transient         // it failed, and may not fail again
	Throttled         // the server says that it is overloaded
	Timeout           // nothing came within the attempt's own timeout
	Unprocessed       // it provably never reached the application: safe to repeat whatever it was
	Canceled          // the caller gave up, which says nothing about the server
)

var classNames = [...]string{"success", "rejected", "transient", "throttled", "timeout", "unprocessed", "canceled"}

// String is the class's name in logs, metrics and traces.
func (c Class) String() string { return name(classNames[:], int(c)) }

// Outcome is what one attempt came to. The zero value is a success.
type Outcome struct {
	Class Class
	// Alive says that the answer came from a destination that works. A success is alive whatever this says; a
	// Rejected is alive if the application itself refused (404, NOT_FOUND), and not if we or the network did
	// (x509, a malformed URL); an Unprocessed is alive if a live connection handed the attempt back (GOAWAY,
	// REFUSED_STREAM), and not if no connection was had (a refused dial); a Throttled is alive if what asks for patience
	// is the application's work on this call, and not its load.
	Alive bool
	// NoRetry forbids another attempt of this call: the server said so, or, by Forbid, somebody else.
	NoRetry bool
	// After is how long the server asked us to wait; 0 or less: it did not ask. Where there is no retry there is no
	// wait: there Forbid keeps its reason here, because a struct of four fields stays in registers and one of five
	// does not, which every failure would pay for several times.
	After time.Duration
}

// forbidden is the After of an outcome that Forbid has forbidden to retry, less the reason.
const forbidden = math.MinInt64

// Forbid forbids another attempt for a reason that is not the server's.
func (o Outcome) Forbid(why Reason) Outcome {
	o.NoRetry, o.After = true, forbidden+time.Duration(why)
	return o
}

// Why is the reason for NoRetry: Forbid's, or ReasonNoRetry if the server said so. It is ReasonNone without NoRetry.
func (o Outcome) Why() Reason {
	switch why := o.After - forbidden; {
	case !o.NoRetry:
		return ReasonNone
	case o.After < 0 && 0 < why && why < time.Duration(len(reasonNames)):
		return Reason(why)
	}
	return ReasonNoRetry
}

// evidence is what the outcome says of the destination, for its budget.
func (o Outcome) evidence() budget.Evidence {
	switch o.Class { // these two are inlined
	case Success:
		return budget.Alive
	case Transient:
		return budget.Failed
	}
	return o.rarerEvidence()
}

func (o Outcome) rarerEvidence() budget.Evidence {
	switch o.Class {
	case Rejected:
		switch {
		case o.Why() == ReasonNoRetry:
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
	case Canceled:
		return budget.None
	}
	return budget.Failed
}

// answered reports whether the time until this outcome is how long the destination takes to answer.
// A fast 503 is not a fast answer.
func (o Outcome) answered() bool { return o.Class == Success || o.Class == Rejected && o.Alive }

// silent reports whether all we know is that the answer would have taken longer.
func (o Outcome) silent() bool { return o.Class == Timeout || o.Class == Canceled }

// Reason is why a call stopped. The set is closed, and the same in errors, logs, metrics and traces.
type Reason uint8

const (
	ReasonNone          Reason = iota // it has not stopped
	ReasonSuccess                     // an attempt succeeded
	ReasonRejected                    // an attempt's outcome was Rejected
	ReasonMaxAttempts                 // Config.MaxAttempts were sent, or a backoff.Stateful wanted no more
	ReasonBudget                      // the destination's budget had nothing left for this call
	ReasonDeadline                    // the caller's deadline has passed, or the next attempt could not make it
	ReasonNoRetry                     // the server said "do not retry"
	ReasonHint                        // the server asked for a longer wait than Config.MaxHint
	ReasonNotIdempotent               // the request may have had its effect, and nobody said that it may have it twice
	ReasonNotReplayable               // the request's body or messages cannot be sent a second time
	ReasonCanceled                    // the caller gave up
	ReasonCommitted                   // part of the answer has reached the caller
	ReasonGate                        // the budget refused even the first attempt (budget.ClientThrottle)
)

var reasonNames = [...]string{
	"none", "success", "rejected", "max_attempts", "budget", "deadline", "no_retry", "hint_too_long",
	"not_idempotent", "not_replayable", "canceled", "committed", "gate",
}

// String is the reason's name in errors, logs, metrics and traces.
func (r Reason) String() string { return name(reasonNames[:], int(r)) }

func name(names []string, i int) string {
	if i >= len(names) {
		return "unknown"
	}
	return names[i]
}
