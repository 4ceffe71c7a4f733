package experiments

import (
	"time"

	"github.com/evenkeel-go/evenkeel/bench/internal/events"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/retry"
)

// hedgeRace drives calls that may be hedged over virtual time. Calls overlap, and share a budget
// and a latency estimate, so all that happens is done in its order.
type hedgeRace struct {
	rules  *call.Rules
	queue  events.Heap[hedgeEvent]
	result hedgeResult
	order  uint64
}

// latency returns the duration of a call's attempt.
type latency func(attempt int) time.Duration

// hedgedCall is a call under way.
type hedgedCall struct {
	call.Call
	latency latency
	begun   time.Duration // negative: it is over
	woken   time.Duration // when its latest wake-up is due
}

// hedgeEvent is an attempt's answer or, with attempt 0, a time at which a call wants to go on.
type hedgeEvent struct {
	call    *hedgedCall
	attempt int
}

// call begins a call at a point in time that is not before that of the call before.
func (r *hedgeRace) call(at time.Duration, l latency) {
	r.until(at)
	now := hedgeStart.Add(at)
	c := &hedgedCall{Call: r.rules.Start(now, call.Options{Hedge: true}), latency: l, begun: at}
	r.advance(c, at)
}

// finish lets the calls under way end.
func (r *hedgeRace) finish() hedgeResult {
	r.until(1<<63 - 1)
	r.result.sort()
	return r.result
}

// until runs all events up to a point in time.
func (r *hedgeRace) until(at time.Duration) {
	for len(r.queue) > 0 && r.queue[0].At <= int64(at) {
		next := r.queue.Pop()
		e, now := next.What, time.Duration(next.At)
		if e.attempt > 0 {
			e.call.Done(hedgeStart.Add(now), e.attempt, retry.Outcome{Class: retry.Success})
		} else if now != e.call.woken {
			continue
		}
		if e.call.begun >= 0 {
			r.advance(e.call, now)
		}
	}
}

// advance does what the call says until it waits or stops.
func (r *hedgeRace) advance(c *hedgedCall, at time.Duration) {
	for {
		step := c.Next(hedgeStart.Add(at))
		switch step.Op {
		case call.Send:
			r.result.attempts++
			r.push(at+c.latency(step.Attempt), hedgeEvent{call: c, attempt: step.Attempt})
			continue
		case call.Wait:
			if !step.At.IsZero() {
				c.woken = step.At.Sub(hedgeStart)
				r.push(c.woken, hedgeEvent{call: c})
			}
		case call.Stop:
			r.result.add(at - c.begun)
			c.begun = -1 // what its losers come to is nobody's business
		}
		return
	}
}

func (r *hedgeRace) push(at time.Duration, e hedgeEvent) {
	r.order++
	r.queue.Push(events.Event[hedgeEvent]{At: int64(at), Order: r.order, What: e})
}

var hedgeStart = time.Unix(0, 0)
