package call

import (
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
)

// Attempt is one attempt that has ended, as observers are told of it.
type Attempt struct {
	Destination string        // of the policy; empty unless it came from For
	Number      int           // from 1
	Kind        budget.Kind   // First, Retry or Hedge
	Sent        time.Time     // when; zero for a first attempt that nobody timed
	Took        time.Duration // until its end; 0 where Sent is zero
	Waited      time.Duration // how long the call waited for it with no other attempt under way
	Outcome     Outcome
	Err         error // what the attempt returned, nil for a response
}

// Report describes a call, as observers are told of it when it has stopped.
type Report struct {
	Destination string
	Reason      Reason
	Attempts    int           // sent
	Hedges      int           // of these, sent because another was slow
	Unprocessed int           // of these, sent for nothing after a live connection handed one back
	Answer      int           // the attempt whose answer is the call's; 0 if none was sent
	Hedged      bool          // that attempt was a hedge
	Shadow      bool          // the answer is a refusal, perhaps only because an earlier attempt had its effect
	After       time.Duration // how long the answer asks to wait; 0: it does not say
	Waited      time.Duration // with no attempt under way
	Queued      time.Duration // of this, for the budget's answer (budget.Later): ReasonBudget after it was not at once
	Err         error         // the last attempt's error, nil for a response
	Budget      budget.Budget // the destination's, for an observer of its level (budget.Leveler)
}

// Retries returns how many attempts were sent because another had failed.
func (r Report) Retries() int { return max(0, r.Attempts-1-r.Hedges-r.Unprocessed) }

// Report returns what has become of the call so far.
func (c *Call) Report() Report {
	return Report{
		Destination: c.rules.Destination, Reason: c.reason, Attempts: c.sent, Hedges: c.hedges, Unprocessed: c.free,
		Answer: c.answer, Hedged: c.kind == budget.Hedge, Shadow: c.shadow, After: c.after, Waited: c.waited, Queued: c.queued,
		Budget: c.rules.Budget,
	}
}
