package experiments

import (
	"container/heap"
	"time"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/retry"
)

// hedgeRace drives calls that may be hedged over virtual time. Calls overlap, and share a budget
// and a latency estimate, so all that happens is done in its order.
type hedgeRace struct {
	rules  *call.Rules
	queue  hedgeQueue
	result hedgeResult
	order  int
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
	at      time.Duration
	order   int
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
	for len(r.queue) > 0 && r.queue[0].at <= at {
		e := heap.Pop(&r.queue).(hedgeEvent)
		if e.attempt > 0 {
			e.call.Done(hedgeStart.Add(e.at), e.attempt, retry.Outcome{Class: retry.Success})
		} else if e.at != e.call.woken {
			continue
		}
		if e.call.begun >= 0 {
			r.advance(e.call, e.at)
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
			r.push(hedgeEvent{at: at + c.latency(step.Attempt), call: c, attempt: step.Attempt})
			continue
		case call.Wait:
			if !step.At.IsZero() {
				c.woken = step.At.Sub(hedgeStart)
				r.push(hedgeEvent{at: c.woken, call: c})
			}
		case call.Stop:
			r.result.add(at - c.begun)
			c.begun = -1 // what its losers come to is nobody's business
		}
		return
	}
}

func (r *hedgeRace) push(e hedgeEvent) {
	r.order++
	e.order = r.order
	heap.Push(&r.queue, e)
}

var hedgeStart = time.Unix(0, 0)

// hedgeQueue is a heap of events, the earliest first, and in the order of their making where they
// are at the same time.
type hedgeQueue []hedgeEvent

func (q hedgeQueue) Len() int { return len(q) }
func (q hedgeQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q hedgeQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *hedgeQueue) Push(e any)   { *q = append(*q, e.(hedgeEvent)) }
func (q *hedgeQueue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	*q = (*q)[:last]
	return e
}
