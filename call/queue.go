package call

import (
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
)

const (
	firstAsk = 20 * time.Millisecond  // mean wait before a budget that answered Later is asked again
	lastAsk  = 200 * time.Millisecond // the longest such mean
)

// pending is the next retry, if one is planned.
type pending struct {
	planned bool            // a retry is planned; the other fields describe it
	paid    bool            // permit has been granted; if not, the budget is asked when the retry is due
	unknown bool            // permit is of Rules.Unknown, not of Rules.Budget
	back    bool            // it resends an attempt that was handed back, and is counted in free
	due     time.Duration   // when it is sent
	because budget.Evidence // of the attempt that failed
	permit  budget.Permit
}

// queue is a planned retry's wait for a budget that has answered Later. It ends when the budget
// answers otherwise; the budget limits how many calls wait and for how long.
type queue struct {
	waiting  bool          // the budget's latest answer to the planned retry was Later
	since    time.Duration // when the budget first answered Later
	askEvery time.Duration // the mean of the latest wait before a question, of a retry or hedge
	ticket   budget.Permit // returned with Later, to be passed with the next question or ended; 0: none
	queued   time.Duration // total time spent waiting
}

// ask asks the budget for the retry that is due. If it is not granted, ask returns the call's next
// step and true.
func (c *Call) ask() (step Step, over bool) {
	held := c.held
	if c.ticket != 0 {
		held, c.ticket = c.ticket, 0 // Ask takes it back
	}
	permit, answer := c.admit(budget.Retry, c.because, held)
	reason := ReasonBudget
	switch answer {
	case budget.Granted:
		c.leaveQueue()
		c.permit, c.paid = permit, true
		return Step{}, false
	case budget.Later:
		c.ticket = permit
		if reason = c.askLater(); reason == ReasonNone {
			return Step{Op: Wait, At: c.start.Add(c.due)}, true
		}
	}
	return c.drop(reason), true
}

// askLater delays the planned retry until the budget is asked again, or returns why it is not.
func (c *Call) askLater() Reason {
	if !c.waiting {
		c.waiting, c.since, c.askEvery = true, c.at, 0
	}
	due := plus(c.at, c.interval())
	if due == never { // the clock is centuries after start, and the wait would not end
		return ReasonBudget
	}
	if reason := c.outOfTime(due); reason != ReasonNone {
		return reason
	}
	c.due = due
	return ReasonNone
}

// interval returns how long to wait before the budget is asked again: longer each time, and at
// random, so that calls that failed together do not ask together.
func (c *Call) interval() (wait time.Duration) {
	wait, c.askEvery = c.longer(c.askEvery, lastAsk)
	return wait
}

// longer returns a random wait and its mean: 1.5 times the last mean, from firstAsk to most.
func (c *Call) longer(last, most time.Duration) (wait, mean time.Duration) {
	mean = min(max(firstAsk, last+last/2), most)
	return mean/2 + time.Duration(float64(mean)*c.rules.unit()), mean
}

// leaveQueue ends the wait for the budget, and returns its ticket.
func (c *Call) leaveQueue() {
	if !c.waiting {
		return
	}
	c.waiting, c.askEvery = false, 0
	c.queued = plus(c.queued, max(0, c.at-c.since)) // a clock may be set back
	if c.ticket != 0 {
		c.rules.Budget.End(c.now, c.ticket, budget.None)
		c.ticket = 0
	}
}

// drop gives up the planned retry, and the call if no attempt is under way. It returns the next
// step.
func (c *Call) drop(reason Reason) Step {
	c.withdraw()
	if c.underWay == 0 {
		c.stop(reason)
	}
	return c.Next(c.now)
}

// withdraw gives up the planned retry, if there is one, and returns its permit.
func (c *Call) withdraw() {
	c.leaveQueue()
	if !c.planned {
		return
	}
	c.planned = false
	if c.back {
		c.free-- // the resend is not sent
	}
	if c.paid {
		c.settle(c.unknown, c.permit, budget.Unsent)
	}
}

// admit asks the budget for one more attempt now.
func (c *Call) admit(k budget.Kind, because budget.Evidence, held budget.Permit) (budget.Permit, budget.Answer) {
	switch b := c.rules.Budget.(type) {
	case nil:
		return 0, budget.Granted
	case budget.Queue:
		return b.Ask(c.now, k, because, held)
	default:
		if permit, ok := b.Admit(c.now, k, because, held); ok {
			return permit, budget.Granted
		}
		return 0, budget.Refused
	}
}

// settle ends a permit, of Rules.Unknown if unknown is set and of Rules.Budget if not.
func (c *Call) settle(unknown bool, p budget.Permit, e budget.Evidence) {
	switch {
	case unknown:
		c.rules.Unknown.End(c.now, p, e)
	case c.rules.Budget != nil:
		c.rules.Budget.End(c.now, p, e)
	}
}
