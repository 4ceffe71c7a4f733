package main

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/evenkeel-go/evenkeel/retry"
)

// occRace is clients that all update one row under optimistic concurrency control. Each has one message under way, so
// the clients themselves are the queue of events: a heap by when that message reaches the row.
type occRace struct {
	policy  *retry.Policy
	rng     *rand.Rand
	clients []occClient
	version int // of the row
}

type occClient struct {
	call    *retry.Call
	attempt int
	at      time.Duration // when its message reaches the row
	writes  bool          // the message is a write
	version int           // what it has read
}

// run is one trial.
func (r *occRace) run() (writes int, end time.Duration) {
	r.version = 0
	queue := r.clients
	for i := range queue {
		call := r.policy.Start(occStart, time.Time{}, false)
		step := call.Next(occStart)
		queue[i] = occClient{call: &call, attempt: step.Attempt, at: r.leg()}
	}
	for i := len(queue)/2 - 1; i >= 0; i-- {
		sink(queue, i)
	}
	for len(queue) > 0 {
		c := &queue[0]
		switch {
		case !c.writes:
			c.writes, c.version = true, r.version
			c.at += r.leg() + r.leg()
		case c.version != r.version:
			writes++
			r.again(c)
		default:
			writes++
			r.version++
			answered := c.at + r.leg()
			end = max(end, answered)
			c.call.Done(occStart.Add(answered), c.attempt, retry.Outcome{Class: retry.Success})
			last := len(queue) - 1
			queue[0] = queue[last]
			queue = queue[:last]
		}
		sink(queue, 0)
	}
	return writes, end
}

// again tells a client that its write came too late, and has it read anew when its policy says so.
func (r *occRace) again(c *occClient) {
	now := occStart.Add(c.at + r.leg())
	c.call.Done(now, c.attempt, retry.Outcome{Class: retry.Transient})
	step := c.call.Next(now)
	if step.Op == retry.Wait {
		now = step.At
		step = c.call.Next(now)
	}
	c.attempt, c.writes = step.Attempt, false
	c.at = now.Sub(occStart) + r.leg()
}

// leg is how long a message takes one way.
func (r *occRace) leg() time.Duration {
	return time.Duration(math.Abs(10+2*r.rng.NormFloat64()) * float64(time.Millisecond))
}

var occStart = time.Unix(0, 0)

// sink restores the order of a heap whose client i may be too late for its place.
func sink(queue []occClient, i int) {
	for {
		first := i
		for _, child := range [...]int{2*i + 1, 2*i + 2} {
			if child < len(queue) && queue[child].at < queue[first].at {
				first = child
			}
		}
		if first == i {
			return
		}
		queue[i], queue[first] = queue[first], queue[i]
		i = first
	}
}
