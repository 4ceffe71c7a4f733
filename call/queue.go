package call

import (
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
)

const (
	firstAsk = 20 * time.Millisecond  // how soon a budget that says Later is asked again
	lastAsk  = 200 * time.Millisecond // and how often in the end
)

// pending is the next attempt, while it is planned.
type pending struct {
	planned bool
	paid    bool // it is admitted, with permit; else the budget is asked when it is due
	unknown bool // by Rules.Unknown
	back    bool // of an attempt that was handed back: it is not counted
	due     time.Duration
	because budget.Evidence // of the attempt that failed
	permit  budget.Permit
}

// queue is a planned attempt's wait for a budget that has said Later. It ends when the budget
// says something else: how many calls wait, and for how long, is the budget's to bound.
type queue struct {
	waiting bool
	since   time.Duration
	every   time.Duration // how long after the latest question the next one comes
	ticket  budget.Permit // what the budget returned with Later, to be passed on or ended; 0: nothing
	queued  time.Duration // how long it was, in all
}

// ask asks the budget for the attempt that is due. It returns the call's next step unless the
// attempt is granted.
func (c *Call) ask() (step Step, over bool) {
	held := c.held
	if c.ticket != 0 {
		held, c.ticket = c.ticket, 0
	}
	permit, answer := c.admit(budget.Retry, c.because, held)
	reason := ReasonBudget
	switch answer {
	case budget.Granted:
		c.leave()
		c.permit, c.paid = permit, true
		return Step{}, false
	case budget.Later:
		c.ticket = permit
		if reason = c.again(); reason == ReasonNone {
			return Step{Op: Wait, At: c.start.Add(c.due)}, true
		}
	}
	return c.drop(reason), true
}

// again puts the question off, or returns why it is not asked again.
func (c *Call) again() Reason {
	if !c.waiting {
		c.waiting, c.since, c.every = true, c.at, 0
	}
	due := later(c.at, c.interval())
	if due == never { // centuries after the call began, where times do not move any more
		return ReasonBudget
	}
	if reason := c.ends(due); reason != ReasonNone {
		return reason
	}
	c.due = due
	return ReasonNone
}

// interval returns how long to wait before the budget is asked again: longer each time, and at
// random, so that calls that failed together do not ask together.
func (c *Call) interval() (wait time.Duration) {
	wait, c.every = c.longer(c.every, lastAsk)
	return wait
}

// longer returns a wait at random, and its mean, which is longer than the last one's, but not than
// most.
func (c *Call) longer(last, most time.Duration) (wait, mean time.Duration) {
	mean = min(max(firstAsk, last+last/2), most)
	return mean/2 + time.Duration(float64(mean)*c.rules.unit()), mean
}

// leave ends the wait for the budget's answer.
func (c *Call) leave() {
	if !c.waiting {
		return
	}
	c.waiting, c.every = false, 0
	c.queued += c.at - c.since
	if c.ticket != 0 {
		c.rules.Budget.End(c.now, c.ticket, budget.None)
		c.ticket = 0
	}
}

// drop gives up the planned attempt, and with it the call unless an attempt is under way.
func (c *Call) drop(reason Reason) Step {
	c.withdraw()
	if c.n == 0 {
		c.stop(reason)
	}
	return c.Next(c.now)
}

// withdraw gives up the planned attempt.
func (c *Call) withdraw() {
	c.leave()
	if !c.planned {
		return
	}
	c.planned = false
	if c.back {
		c.free-- // it is not sent
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

// settle ends a permit.
func (c *Call) settle(unknown bool, p budget.Permit, e budget.Evidence) {
	switch {
	case unknown:
		c.rules.Unknown.End(c.now, p, e)
	case c.rules.Budget != nil:
		c.rules.Budget.End(c.now, p, e)
	}
}
