package call

import (
	"math"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
)

const (
	// maxFree is how many times a call is resent at once and without cost after a live connection
	// handed it back. Behind a proxy that closes each connection after a few requests, that is not
	// enough: such a call is resent again after a wait, for at most maxFreeTime, if other attempts
	// have succeeded since its previous resend.
	maxFree     = 2
	maxFreeTime = 30 * time.Second
	// lastFree is the longest of these waits. Most calls behind such a proxy succeed sooner, and a
	// server that refuses nearly all calls must not receive each of them several times a second.
	lastFree = 2 * time.Second
	// hintSpread is the share of a wait the server asked for that is added at random, so that a
	// thousand clients that were asked to wait 2 seconds do not return together.
	hintSpread = 0.25
	// minHint is the shortest wait that counts as a hint: a server that asks for a nanosecond
	// gets our own backoff.
	minHint = time.Millisecond
)

// planResend plans to resend an attempt that a live connection returned unprocessed, as after a
// GOAWAY. The resend takes over the attempt's permit and does not count toward MaxAttempts. It
// reports false if the outcome is to be treated as any failure: the server asked for a wait, or
// freeWait allows no resend.
func (c *Call) planResend(f *flight, o *Outcome) bool {
	if c.planned || c.closed != ReasonNone || c.at < c.notBefore || o.After >= minHint || c.rules.off() {
		return false
	}
	wait, ok := c.freeWait()
	due := plus(c.at, wait)
	if !ok || c.outOfTime(due) != ReasonNone {
		return false
	}
	c.free++
	c.pending = pending{planned: true, paid: true, back: true, unknown: f.unknown, due: due, permit: f.permit}
	return true
}

// freeResends records how often a call was handed back and resent without cost.
type freeResends struct {
	free             int           // resends
	freeSince        time.Duration // when the call was first handed back
	freeEvery        time.Duration // the mean of the latest wait before a resend
	successes        uint64        // the budget's count when the call was last handed back
	successesAtFirst uint64        // the budget's count when the call was first handed back
}

// freeWait returns how long to wait before a resend without cost. It reports false if there may be
// none.
func (c *Call) freeWait() (wait time.Duration, ok bool) {
	before := c.successes
	if b, counts := c.rules.Budget.(budget.Counter); counts {
		c.successes = b.Successes()
	}
	switch {
	case c.free == 0:
		c.freeSince, c.successesAtFirst = c.at, c.successes
		return 0, true
	case c.free < maxFree:
		return 0, true
	case c.successes == before || c.at-c.freeSince > maxFreeTime:
		return 0, false
	}
	wait, c.freeEvery = c.longer(c.freeEvery, lastFree)
	return wait, true
}

// unanswered reports whether an attempt was handed back although its call has used maxFree resends
// and the destination has answered no call since the first of them. A destination that only hands
// back is overloaded, so the budget has to count the attempt as a failure.
func (c *Call) unanswered(o *Outcome) bool {
	return o.Class == Unprocessed && o.Alive && c.free >= maxFree && c.successes == c.successesAtFirst
}

// failed decides what follows a failure that a retry may help with. Such a failure never stops the
// call while an attempt is under way.
func (c *Call) failed(f *flight, o *Outcome) {
	if !c.refused {
		c.setAnswer(f, o)
	}
	if c.ranWell(f, o) {
		c.reset()
	}
	c.pauseOthers(o)
	reason := c.plan(o)
	if o.Forbidden != ReasonNone || reason == ReasonHint {
		c.close(reason)
	}
	if c.closed != ReasonNone {
		reason = c.closed
	}
	if c.underWay == 0 && !c.planned {
		c.stop(reason)
	}
}

// plan plans a retry, or returns why there is none.
func (c *Call) plan(o *Outcome) Reason {
	switch {
	case c.closed != ReasonNone:
		return c.closed
	case o.Forbidden != ReasonNone:
		return o.Forbidden
	case c.rules.MaxHint > 0 && o.After > c.rules.MaxHint:
		c.longHint = o.After
		return ReasonHint
	}
	hinted := o.After >= minHint
	if hinted { // even if no retry is planned here: hedges and later retries obey it
		c.notBefore = max(c.notBefore, c.hint(o.After))
	}
	switch {
	case c.planned:
		return c.postpone()
	case c.spent():
		return ReasonMaxAttempts
	case c.rules.off():
		return ReasonDisabled
	}
	delay, ok := c.delay(o, hinted)
	if !ok {
		return ReasonMaxAttempts
	}
	c.applyPause()
	due := max(plus(c.at, delay), c.notBefore)
	if reason := c.outOfTime(due); reason != ReasonNone {
		return reason
	}
	return c.reserve(due, o.evidence())
}

// reserve plans a retry if the budget grants it. A budget.Queue is asked when the retry is due,
// but none is planned if the Queue would refuse it now (Hopeless).
func (c *Call) reserve(due time.Duration, because budget.Evidence) Reason {
	affordable, paid, unknown := true, true, false
	var permit budget.Permit
	if u := c.rules.Unknown; u != nil && because == budget.Unknown {
		unknown = true
		permit, affordable = u.Admit(c.now, budget.Retry, because, c.spare)
	} else if q, ok := c.rules.Budget.(budget.Queue); ok {
		paid, affordable = false, !q.Hopeless(c.now, because, c.held)
	} else {
		var answer budget.Answer
		permit, answer = c.admit(budget.Retry, because, c.held)
		affordable = answer == budget.Granted
	}
	if !affordable {
		return ReasonBudget
	}
	c.pending = pending{planned: true, paid: paid, unknown: unknown, due: due, because: because, permit: permit}
	return ReasonNone
}

// postpone delays the planned retry until c.notBefore if it is due sooner. If there is no time for
// that, it gives the retry up and returns why.
func (c *Call) postpone() Reason {
	due := max(c.due, c.notBefore)
	if due > c.due {
		if reason := c.outOfTime(due); reason != ReasonNone {
			c.withdraw()
			return reason
		}
	}
	c.due = due
	return ReasonNone
}

// delay returns the wait before the next retry. It reports false if a Stateful strategy wants no
// further attempt.
func (c *Call) delay(o *Outcome, hinted bool) (d time.Duration, ok bool) {
	if hinted {
		c.backoffs, c.prevDelay, c.own = 0, 0, nil // gRFC A6: pushback resets the backoff
		return 0, true
	}
	if c.backoffs < math.MaxInt {
		c.backoffs++
	}
	strategy, stateful := c.strategy(o.Class == Throttled)
	if strategy == nil {
		return 0, true
	}
	d = strategy.Delay(c.backoffs, c.prevDelay, c.rules.unit())
	if d < 0 {
		return 0, !stateful
	}
	c.prevDelay = d
	return d, true
}

// strategy returns the backoff to use: this call's own instance, if it is Stateful.
func (c *Call) strategy(throttled bool) (s backoff.Strategy, ofCall bool) {
	s = c.rules.Backoff
	i := 0
	if throttled && c.rules.ThrottledBackoff != nil {
		s, i = c.rules.ThrottledBackoff, 1
	}
	stateful, ok := s.(backoff.Stateful)
	if !ok {
		return s, false
	}
	if c.own == nil {
		c.own = new([2]backoff.Strategy)
	}
	if c.own[i] == nil {
		c.own[i] = stateful.NewCall()
	}
	return c.own[i], true
}

// hint returns the time to send the next attempt if a server asks now for a wait.
func (c *Call) hint(asked time.Duration) time.Duration { return c.spread(plus(c.at, asked), asked) }

// spread adds a random time to end, the end of a wait that a server asked for: at most hintSpread
// of that wait, and less if an attempt sent then could not finish before the deadline although one
// sent at end could.
func (c *Call) spread(end, asked time.Duration) time.Duration {
	spread := time.Duration(float64(asked) * hintSpread)
	if c.deadline != never && !c.tooLate(end) {
		spread = min(spread, c.deadline-plus(end, c.rules.usual())-1)
	}
	return plus(end, time.Duration(float64(spread)*c.rules.unit()))
}

// spent reports whether the call has used up MaxAttempts since its start or latest reset.
func (c *Call) spent() bool { return c.rules.spent(c.sent - c.free - c.beforeReset) }

// outOfTime returns why nothing may be sent at the given time, or ReasonNone if it may.
func (c *Call) outOfTime(at time.Duration) Reason {
	switch {
	case c.tooLate(at):
		return ReasonDeadline
	case c.rules.MaxElapsed > 0 && c.elapsed(at) > c.rules.MaxElapsed:
		return ReasonMaxElapsed
	}
	return ReasonNone
}

// elapsed returns how long MaxElapsed will have counted at the given time.
func (c *Call) elapsed(at time.Duration) time.Duration {
	if c.elapsedFrom < 0 { // the difference may overflow
		return plus(at, -c.elapsedFrom)
	}
	return at - c.elapsedFrom
}

// ranWell reports whether a failed attempt ran for so long that the call begins anew
// (Rules.ResetAfter). One that timed out or never reached the application did not run.
func (c *Call) ranWell(f *flight, o *Outcome) bool {
	return c.resets && f.sent != untimed && c.at-f.sent >= c.rules.ResetAfter && (o.Class == Transient || o.Class == Throttled)
}

// reset begins the call anew: the attempt that just failed counts as its first.
func (c *Call) reset() {
	c.beforeReset = c.sent - c.free - 1
	c.elapsedFrom = c.at
	c.backoffs, c.prevDelay, c.own = 0, 0, nil
}

// tooLate reports whether an attempt sent at the given time is unlikely to finish before the
// deadline.
func (c *Call) tooLate(at time.Duration) bool {
	return c.deadline != never && plus(at, c.rules.usual()) >= c.deadline
}
