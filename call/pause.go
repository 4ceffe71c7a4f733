package call

import "time"

// Pause holds the waits that servers have asked for, for the calls to one destination that are
// not sent yet. It is safe for concurrent use.
type Pause interface {
	// Left returns for how long from now calls with a key are to wait, and the wait that the
	// server asked for of which that is left. Both are 0 if they are not.
	Left(now time.Time, key string) (left, asked time.Duration)
	// Set notes that a server has asked now for a wait of d, in answer to a call with a key.
	Set(now time.Time, key string, d time.Duration)
}

// minPause is the shortest wait that other calls are kept back for. A shorter one costs less if
// each of them asks the server by itself.
const minPause = 100 * time.Millisecond

// pauseOthers records a wait that the server asked for, if that concerns other calls: an
// application that works and refuses this call alone (409 of a key in use) does not mean them.
func (c *Call) pauseOthers(o *Outcome) {
	if c.rules.Pause == nil || o.Alive || o.After < minPause {
		return
	}
	d := o.After
	if c.rules.MaxHint > 0 {
		d = min(d, c.rules.MaxHint)
	}
	c.rules.Pause.Set(c.now, c.key, d)
}

// applyPause puts off what is sent next as long as a server has asked other calls to wait, and up
// to a quarter of that more, so that those which wait do not come back together. It does so for
// MaxHint at most, counted from the first time it finds that the next attempt has to wait.
func (c *Call) applyPause() {
	if c.rules.Pause == nil {
		return
	}
	left, asked := c.rules.Pause.Left(c.now, c.key)
	if left <= 0 || later(c.at, left) <= c.notYet {
		return
	}
	if !c.paused {
		c.paused, c.pausedAt = true, c.at
	}
	until := later(c.at, left)
	if most := c.rules.MaxHint; most > 0 {
		until = min(until, later(c.pausedAt, most))
	}
	if until > c.notYet && until > c.at {
		c.notYet = c.spread(until, asked)
	}
}

// hold returns the step to take instead of sending the first attempt now, if there is one.
func (c *Call) hold() (_ Step, held bool) {
	c.applyPause()
	switch {
	case c.at >= c.notYet:
		return Step{}, false
	case c.tooLate(c.notYet):
		c.after = c.notYet - c.at
		c.stop(ReasonPaused)
		return Step{Op: Stop, Reason: ReasonPaused}, true
	}
	return Step{Op: Wait, At: c.start.Add(c.notYet)}, true
}
