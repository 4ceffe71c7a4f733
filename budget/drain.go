package budget

import "sync/atomic"

// Drainer is implemented by a Spec that can also make an empty budget. A policy uses it for a
// destination that it forgot (retry.WithMaxDestinations) while its budget was partly used up: a
// full one would pay for the same outage again. The Spec of Shared is not a Drainer, because its
// budget is never forgotten.
type Drainer interface {
	// NewDrained returns a budget that affords no retry and no hedge, and whose level, if it
	// reports one, is 0, until an attempt ends Alive. From then on it is as New makes it.
	NewDrained() Budget
}

// drain keeps a budget empty until an attempt succeeds. The zero drain does not. Budgets embed
// it.
type drain struct{ empty atomic.Bool }

// setEmpty makes the budget empty.
func (d *drain) setEmpty() { d.empty.Store(true) }

// refill ends that if e, the end of an attempt, is Alive.
func (d *drain) refill(e Evidence) {
	if e == Alive && d.empty.Load() {
		d.empty.Store(false)
	}
}

// drained returns b, a new budget, empty.
func drained(b Budget) Budget {
	b.(interface{ setEmpty() }).setEmpty()
	return b
}

// NewDrained returns what New does, empty until an attempt succeeds.
func (a Adaptive) NewDrained() Budget { return drained(a.New()) }

// NewDrained returns what New does, empty until an attempt succeeds.
func (a AWS) NewDrained() Budget { return drained(a.New()) }

// NewDrained returns what New does, empty until an attempt succeeds.
func (c Concurrency) NewDrained() Budget { return drained(c.New()) }

// NewDrained returns what New does, empty until an attempt succeeds.
func (f Finagle) NewDrained() Budget { return drained(f.New()) }

// NewDrained returns what New does, empty until an attempt succeeds.
func (g GRPC) NewDrained() Budget { return drained(g.New()) }

// NewDrained returns what New does, empty until an attempt succeeds.
func (r Ratio) NewDrained() Budget { return drained(r.New()) }

// NewDrained returns what New does, empty until an attempt succeeds.
func (t TokenBucket) NewDrained() Budget { return drained(t.New()) }

// NewDrained returns what New does, with the budget of Retries drained. It does not refuse first
// attempts.
func (c ClientThrottle) NewDrained() Budget {
	b := c.New().(*clientThrottle)
	if d, ok := c.retries().(Drainer); ok {
		b.retries = d.NewDrained()
	}
	return b
}
