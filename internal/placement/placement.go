// Package placement records on a call's context which backends its attempts were sent to, so that
// a load balancer gives the next attempt another one. Drivers start the record, balancers fill it
// in.
package placement

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// balancers counts the balancers in use in this process.
var balancers atomic.Int64

// Use notes that a balancer is in use from now on. Until then Start costs one atomic load.
func Use() { balancers.Add(1) }

// Release notes that a balancer is no longer in use.
func Release() { balancers.Add(-1) }

// InUse reports whether a balancer is in use.
func InUse() bool { return balancers.Load() > 0 }

// Call is the context of a call with a record of its attempts. It is safe for concurrent use.
type Call struct {
	context.Context
	Observer any  // the policy's: it may be an outlier.Observer
	Timed    bool // an attempt ends with its backend's answer; false for streams

	mu       sync.Mutex
	attempts []*Attempt
	room     [2]*Attempt
}

type callKey struct{}

// Value implements context.Context.
func (c *Call) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// Start returns a context with a record for a call's attempts, or ctx itself if no balancer is in
// use.
func Start(ctx context.Context, observer any, timed bool) context.Context {
	if !InUse() {
		return ctx
	}
	return &Call{Context: ctx, Observer: observer, Timed: timed}
}

// From returns the record of the call that an attempt on ctx belongs to. It is nil if there is
// none.
func From(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}

// Attempt is one attempt that was sent to a backend.
type Attempt struct {
	backend   any
	balancer  any
	over      bool
	overtaken bool
}

// most is the number of a call's attempts that are recorded, the first ones.
const most = 64

// Sent records that an attempt is being sent to a backend. It returns nil if c is nil, or full.
func (c *Call) Sent(balancer, backend any) *Attempt {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attempts == nil {
		c.attempts = c.room[:0]
	}
	if len(c.attempts) == most {
		return nil
	}
	a := &Attempt{backend: backend, balancer: balancer}
	c.attempts = append(c.attempts, a)
	return a
}

// Unsent undoes Sent for an attempt that was not sent: the connection was gone.
func (c *Call) Unsent(a *Attempt) {
	if c == nil || a == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.attempts, a); i >= 0 {
		c.attempts = slices.Delete(c.attempts, i, i+1)
	}
}

// Used returns how many attempts were sent to a backend.
func (c *Call) Used(backend any) (n int) {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.attempts {
		if a.backend == backend {
			n++
		}
	}
	return n
}

// Fresh reports whether none of the call's attempts was given a backend by the balancer.
func (c *Call) Fresh(balancer any) bool {
	if c == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.attempts {
		if a.balancer == balancer {
			return false
		}
	}
	return true
}

// End records the end of an attempt, and reports whether a later one succeeded before it. A
// success overtakes the earlier attempts that are still under way at other backends of the same
// balancer.
func (c *Call) End(a *Attempt, success bool) (overtaken bool) {
	if c == nil || a == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	a.over = true
	if !success {
		return a.overtaken
	}
	for _, other := range c.attempts {
		if other == a {
			break
		}
		if !other.over && other.balancer == a.balancer && other.backend != a.backend {
			other.overtaken = true
		}
	}
	return a.overtaken
}
