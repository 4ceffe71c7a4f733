package call

import "time"

// Pause holds the waits that the servers of one destination have asked for, so that other calls to
// it wait, too. It is safe for concurrent use.
type Pause interface {
	// Left returns how much longer calls with the key have to wait, and how long the server asked
	// them to wait in all. Both are 0 if there is nothing to wait for.
	Left(now time.Time, key string) (left, asked time.Duration)
	// Set records that a server, answering a call with the key, asked for a wait of d from now.
	Set(now time.Time, key string, d time.Duration)
}

// minPause is the shortest wait that delays other calls. A shorter one is not worth sharing: each
// call may find out by itself.
const minPause = 100 * time.Millisecond

// pauseOthers records a wait that the server asked for, unless it concerns this call alone (Alive,
// such as a 409 of an idempotency key in use).
func (c *Call) pauseOthers(o *Outcome) {
	if c.rules.Pause == nil || o.Alive || o.After < minPause {
		return
	}
	d := o.After
	if c.rules.MaxHint > 0 {
		d = min(d, c.rules.MaxHint)
	}
	c.rules.Pause.Set(c.now, c.pauseKey, d)
}

// applyPause delays the next send while Rules.Pause asks for a wait, by MaxHint at most from the
// first such delay. To that it adds a random part, so that the calls that wait do not return
// together.
func (c *Call) applyPause() {
	if c.rules.Pause == nil {
		return
	}
	left, asked := c.rules.Pause.Left(c.now, c.pauseKey)
	if left <= 0 || plus(c.at, left) <= c.notBefore {
		return
	}
	if !c.paused {
		c.paused, c.pausedAt = true, c.at
	}
	until := plus(c.at, left)
	if most := c.rules.MaxHint; most > 0 {
		until = min(until, plus(c.pausedAt, most))
	}
	if until > c.notBefore && until > c.at {
		c.notBefore = c.spread(until, asked)
	}
}

// hold returns the step that delays the first attempt, or gives it up, because of Rules.Pause. It
// reports false if the attempt may be sent now.
func (c *Call) hold() (_ Step, held bool) {
	c.applyPause()
	switch {
	case c.at >= c.notBefore:
		return Step{}, false
	case c.tooLate(c.notBefore):
		c.after = c.notBefore - c.at
		c.stop(ReasonPaused)
		return Step{Op: Stop, Reason: ReasonPaused}, true
	}
	return Step{Op: Wait, At: c.start.Add(c.notBefore)}, true
}
