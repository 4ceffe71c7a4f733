package retry

import (
	"context"
	"slices"
)

// history remembers the first attempt of a call and the latest. The first costs no allocation: most calls that fail
// once do not fail twice.
type history struct {
	first        Failure
	rest         []Failure
	answerHedged bool
}

func (h *history) add(attempt int, class Class, err error) {
	e := Failure{attempt, class, err}
	switch {
	case h.first.Attempt == 0:
		h.first = e
	case class == Success:
	case len(h.rest) == maxHistory-1:
		copy(h.rest, h.rest[1:])
		h.rest[maxHistory-2] = e
	default:
		h.rest = append(h.rest, e)
	}
}

// error is what the call returns that came to report.
func (h *history) error(ctx context.Context, r Report) *Error {
	e := &Error{
		Reason: r.Reason, Attempts: r.Attempts, Destination: r.Destination, Waited: r.Waited, Last: r.Err,
	}
	if h.first.Attempt != 0 {
		e.History = append(slices.Grow([]Failure(nil), 1+len(h.rest)), h.first)
		e.History = append(e.History, h.rest...)
	}
	if r.Reason == ReasonCanceled || r.Reason == ReasonDeadline {
		e.Ended = contextError(ctx)
	}
	return e
}
