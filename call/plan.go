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

// handedBack plans to resend an attempt that a live connection returned unprocessed, as after a
// GOAWAY. The resend takes over the attempt's permit and does not count toward MaxAttempts. It
// reports false if the outcome is to be treated as any failure: the server asked for a wait, or
// freeWait allows no resend.
func (c *Call) handedBack(f *flight, o *Outcome) bool {
	if c.planned || c.closed != ReasonNone || c.at < c.notYet || o.After >= minHint || c.rules.off() {
		return false
	}
	wait, ok := c.freeWait()
	due := later(c.at, wait)
	if !ok || c.ends(due) != ReasonNone {
		return false
	}
	c.free++
	c.pending = pending{planned: true, paid: true, back: true, unknown: f.unknown, due: due, permit: f.permit}
	return true
}

// freed records how often a call was handed back and resent without cost.
type freed struct {
	free      int           // resends
	freeSince time.Duration // when the call was first handed back
	freeEvery time.Duration // the latest wait before a resend
	successes uint64        // the budget's count when the call was last handed back
	atFirst   uint64        // the budget's count when the call was first handed back
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
		c.freeSince, c.atFirst = c.at, c.successes
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
	return o.Class == Unprocessed && o.Alive && c.free >= maxFree && c.successes == c.atFirst
}

// failed decides after a failure that a retry may help with. It never beats an attempt still
// under way.
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
	if c.n == 0 && !c.planned {
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
		c.asked = o.After
		return ReasonHint
	}
	hinted := o.After >= minHint
	if hinted { // also if nothing comes of this retry: hedges and the retries of siblings obey it
		c.notYet = max(c.notYet, c.hint(o.After))
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
	due := max(later(c.at, delay), c.notYet)
	if reason := c.ends(due); reason != ReasonNone {
		return reason
	}
	return c.reserve(due, o.evidence())
}

// reserve plans an attempt if the budget affords it. A budget.Queue is asked when the attempt is
// due, unless it would be for nothing.
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

// postpone puts the planned retry off if a server asked for a longer wait meanwhile.
func (c *Call) postpone() Reason {
	due := max(c.due, c.notYet)
	if due > c.due {
		if reason := c.ends(due); reason != ReasonNone {
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
		c.wait, c.prev, c.own = 0, 0, nil // gRFC A6: pushback resets the backoff
		return 0, true
	}
	if c.wait < math.MaxInt {
		c.wait++
	}
	strategy, stateful := c.strategy(o.Class == Throttled)
	if strategy == nil {
		return 0, true
	}
	d = strategy.Delay(c.wait, c.prev, c.rules.unit())
	if d < 0 {
		return 0, !stateful
	}
	c.prev = d
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

// hint returns the end of a wait that a server asked for: that and up to a quarter more, unless
// only the wait alone ends before the deadline.
func (c *Call) hint(after time.Duration) time.Duration { return c.spread(later(c.at, after), after) }

// spread returns a time between end and a quarter of the wait later, as hint does.
func (c *Call) spread(end, after time.Duration) time.Duration {
	spread := time.Duration(float64(after) * hintSpread)
	if c.deadline != never && !c.tooLate(end) {
		spread = min(spread, c.deadline-later(end, c.rules.usual())-1)
	}
	return later(end, time.Duration(float64(spread)*c.rules.unit()))
}

// spent reports whether the call was sent as often as it may be. It is asked before each retry
// and each hedge.
func (c *Call) spent() bool { return c.rules.spent(c.sent - c.free - c.before) }

// ends returns why nothing may be sent again then, or ReasonNone.
func (c *Call) ends(at time.Duration) Reason {
	switch {
	case c.tooLate(at):
		return ReasonDeadline
	case c.rules.MaxElapsed > 0 && c.elapsed(at) > c.rules.MaxElapsed:
		return ReasonMaxElapsed
	}
	return ReasonNone
}

// elapsed returns how long the call has been going on then.
func (c *Call) elapsed(at time.Duration) time.Duration {
	if c.from < 0 {
		return later(at, -c.from)
	}
	return at - c.from
}

// ranWell reports whether an attempt that failed had run for so long that the call begins anew
// (Rules.ResetAfter). What was silent, or did not reach the application, has not run.
func (c *Call) ranWell(f *flight, o *Outcome) bool {
	return c.resets && f.sent != untimed && c.at-f.sent >= c.rules.ResetAfter && (o.Class == Transient || o.Class == Throttled)
}

// reset begins the call anew with the failure of an attempt that ran well, as its first.
func (c *Call) reset() {
	c.before = c.sent - c.free - 1
	c.from = c.at
	c.wait, c.prev, c.own = 0, 0, nil
}

// tooLate reports whether an attempt sent then could not plausibly finish before the deadline.
func (c *Call) tooLate(at time.Duration) bool {
	return c.deadline != never && later(at, c.rules.usual()) >= c.deadline
}
