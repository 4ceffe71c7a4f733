package budget

import (
	"math"
	"time"
)

// steadyClock turns readings of a clock that may be set back, or forward and back again, into a
// time that never goes back. Times with a monotonic reading, as of time.Now, need no such care;
// others come from simulations and records.
type steadyClock struct {
	read   time.Time     // the latest reading
	passed time.Duration // since the first one
	behind time.Duration // how far the clock was set back, less what it has gone forward since
	leaps  int           // leaps forward since then that reduced behind
}

const (
	// tardy is how much earlier than the one before a reading may be because its caller was
	// delayed. A reading that is later by more than this is a leap.
	tardy = time.Second
	// corrections is the number of leaps that may correct a clock that was set back. After that
	// many the clock counts as right, but seldom read.
	corrections = 3
)

// at returns how much time has passed until now since the first reading.
func (c *steadyClock) at(now time.Time) time.Duration {
	if c.read.IsZero() {
		c.read = now
	}
	d := now.Sub(c.read)
	switch {
	case d < -tardy:
		c.read, c.leaps = now, 0
		c.behind = capped(c.behind, max(-d, tardy)) // -d overflows where d is the least Duration
	case d > 0:
		c.read = now
		made := min(d, c.behind)
		c.behind -= made
		if made > 0 && d > tardy && c.leaps < corrections {
			c.leaps++
			d -= made
		}
		c.passed = capped(c.passed, d)
	}
	return c.passed
}

// capped returns a+b without overflow; neither is negative.
func capped(a, b time.Duration) time.Duration { return a + min(b, math.MaxInt64-a) }
