package call

import (
	"errors"
	"strconv"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
)

// Attempt describes one attempt that has ended, for observers.
type Attempt struct {
	Destination string        // of the policy; empty unless it came from For
	Number      int           // from 1
	Kind        budget.Kind   // First, Retry or Hedge
	Sent        time.Time     // zero for a first attempt that was not timed
	Took        time.Duration // from Sent to its end; 0 if Sent is zero
	Waited      time.Duration // how long the call waited before it with no other attempt under way
	Outcome     Outcome
	Status      string        // what the server answered, such as "HTTP 503"; empty without an answer, or outside HTTP and gRPC
	Err         error         // what the attempt returned, nil for a response
	Max         int           // the policy's MaxAttempts, less than 1 for no limit
	Lost        bool          // it was canceled because another attempt of the call had answered
	Retrying    bool          // a retry is planned
	Delay       time.Duration // how long until that retry is due
}

// String returns the attempt in words, such as "attempt 2 of 3 failed (HTTP 503), retrying in
// 120ms". Of an error it contains only the class, never the text, which may hold secrets.
func (a Attempt) String() string {
	s := "attempt " + strconv.Itoa(a.Number)
	if a.Max > 0 {
		s += " of " + strconv.Itoa(a.Max)
	}
	s += a.verb()
	if what := a.result(); what != "" {
		s += " (" + what + ")"
	}
	if a.Retrying {
		s += ", retrying in " + rounded(a.Delay).String()
	}
	return s
}

func (a Attempt) verb() string {
	switch {
	case a.Lost:
		return " lost the race"
	case a.Outcome.Class == Success:
		return " succeeded"
	case a.Outcome.Class == Canceled:
		return " was canceled"
	}
	return " failed"
}

// result returns the status or class of the attempt, unless its verb implies it.
func (a Attempt) result() string {
	var limit *TimeoutError
	switch {
	case errors.As(a.Err, &limit) && a.Outcome.Class == Timeout:
		return limit.ours()
	case a.Status != "" && a.Outcome.Class != Canceled:
		return a.Status
	case a.Outcome.Class == Canceled && a.Outcome.Forbidden == ReasonDeadline:
		return ReasonDeadline.String()
	case a.Outcome.Class == Success || a.Outcome.Class == Canceled:
		return ""
	}
	return a.Outcome.Class.String()
}

// rounded returns d to 10ms from a second up, and to 0.1ms below.
func rounded(d time.Duration) time.Duration {
	if d >= time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}

// Report describes a call; observers receive it when the call has stopped.
type Report struct {
	Destination string
	Reason      Reason
	Attempts    int           // sent
	Hedges      int           // of these, sent because another was slow
	Unprocessed int           // of these, sent without cost after a live connection handed one back
	Answer      int           // the attempt whose answer is the call's; 0 if none was sent
	Hedged      bool          // that attempt was a hedge
	Shadow      bool          // the answer is a refusal, perhaps only because an earlier attempt had its effect
	After       time.Duration // how long the answer asks to wait; 0: it does not say
	Waited      time.Duration // total time with no attempt under way
	Queued      time.Duration // of Waited, time spent asking the budget again (budget.Later)
	Hint        time.Duration // ReasonHint: the wait that the server asked for
	MaxHint     time.Duration // ReasonHint: the longest that the policy allows
	Err         error         // the last attempt's error, nil for a response
	Budget      budget.Budget // the destination's, for an observer of its level (budget.Leveler)
}

// Retries returns how many attempts were sent because another had failed.
func (r Report) Retries() int { return max(0, r.Attempts-1-r.Hedges-r.Unprocessed) }

// Report returns the state of the call so far.
func (c *Call) Report() Report {
	r := Report{
		Destination: c.rules.Destination, Reason: c.reason, Attempts: c.sent, Hedges: c.hedges, Unprocessed: c.free,
		Answer: c.answer, Hedged: c.kind == budget.Hedge, Shadow: c.shadow, After: c.after, Waited: c.waited, Queued: c.queued,
		Budget: c.rules.Budget,
	}
	if c.reason == ReasonHint {
		r.Hint, r.MaxHint = c.longHint, c.rules.MaxHint
	}
	return r
}

// Planned returns how long after the latest Done the next retry is due. It reports false if none
// is planned.
func (c *Call) Planned() (time.Duration, bool) {
	if !c.planned || c.reason != ReasonNone {
		return 0, false
	}
	return max(0, c.due-c.at), true
}
