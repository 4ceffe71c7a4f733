package cenkalti

import (
	"math"
	"time"

	cenkalti "github.com/cenkalti/backoff/v4"

	"github.com/evenkeel-go/evenkeel/backoff"
)

// From returns a strategy that waits as the BackOffs of newBackOff do. Each call gets a BackOff
// of its own, since a BackOff keeps the state of one call and is not safe for concurrent use. It
// is Reset before the first delay, as backoff.Retry does, and after a wait that the server asked
// for. A call whose BackOff returns Stop, or any negative delay, ends there; the policy's
// MaxAttempts holds as well. A BackOff draws its own random numbers.
//
// The strategy is a backoff.Stateful. A driver that does not know about that gets the delay that
// a new BackOff would return for the same wait, and for Stop the longest duration there is.
//
// A policy with such a strategy also honors backoff.Permanent, as [Classify] does, unless it has
// a classifier of its own.
//
// newBackOff must be safe for concurrent use, and never return the same BackOff twice. From calls
// it once to see that it works, and panics if it is nil or returns nil.
func From(newBackOff func() cenkalti.BackOff) backoff.Strategy {
	if newBackOff == nil {
		panic("cenkalti.From: newBackOff: must be a function, not nil")
	}
	if newBackOff() == nil {
		panic("cenkalti.From: newBackOff: must return a BackOff, not nil")
	}
	return &maker{newBackOff}
}

type maker struct{ newBackOff func() cenkalti.BackOff }

func (m *maker) NewCall() backoff.Strategy {
	b := m.newBackOff()
	b.Reset()
	return &call{backOff: b}
}

// IsPermanent reports whether err is the library's mark, for policies with this strategy or one
// that wraps it.
func (m *maker) IsPermanent(err error) bool { return IsPermanent(err) }

// farthest bounds the waits that Delay repeats to reach the one it is asked for. The library's
// own BackOffs are at their longest by then.
const farthest = 100

func (m *maker) Delay(wait int, _ time.Duration, _ float64) time.Duration {
	c := m.NewCall()
	d := c.Delay(1, 0, 0)
	for i := 2; i <= min(wait, farthest) && d >= 0; i++ {
		d = c.Delay(i, 0, 0)
	}
	if d < 0 {
		return math.MaxInt64
	}
	return d
}

// call is one call's BackOff.
type call struct {
	backOff cenkalti.BackOff
	wait    int // the latest that Delay was called for
}

func (c *call) Delay(wait int, _ time.Duration, _ float64) time.Duration {
	if wait <= c.wait { // the count began anew, after a hint
		c.backOff.Reset()
	}
	c.wait = wait
	return c.backOff.NextBackOff()
}
