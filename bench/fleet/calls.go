package fleet

import (
	"math"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/outlier"
	"github.com/evenkeel-go/evenkeel/retry"
)

const never = math.MaxInt64

// root is the parent of a call that a client makes.
const root = math.MaxUint32

// callState is one call, by a client or by a service.
type callState struct {
	machine call.Call
	budget  budget.Budget // of the process that makes it: a million of them are not in the cache, the call is
	limit   int64         // when its caller gives up; never if not
	wakeAt  int64         // the latest wake-up that is scheduled
	bin     int32         // when the client's call began that it belongs to
	by      uint32        // which of the callers at its hop makes it
	parent  uint32        // the attempt that a service makes it for
	gen     uint32        // how often the slot was used: an event of an earlier call is told by it
	hop     uint8
	began   int64
	placed  []place // where its attempts were sent, if there are several replicas
	top     bool    // of the most important calls
}

// attempt is one attempt, until both its caller and who was called are done with it.
type attempt struct {
	call    uint32
	callGen uint32
	number  int
	expires int64 // when its caller gives up
	gen     uint32
	bin     int32 // as its call's
	hop     uint8
	replica uint8
	top     bool // as its call's
	gone    bool // its caller has given up
	silent  bool // no answer will come
	outcome retry.Outcome
	server  *budget.Answers // that of the server which has it in hand, if that has one
	request int64           // its number there
}

// begin starts a call at a hop.
func (s *sim) begin(hop uint8, by, parent uint32, limit int64) {
	slot, c := s.calls.Take()
	c.gen++
	c.hop, c.by, c.parent, c.limit, c.wakeAt = hop, by, parent, limit, -1
	c.budget = s.hops[hop].budgets[by]
	c.began, c.placed = s.now, c.placed[:0]
	var until time.Time
	if limit != never {
		until = s.start.Add(time.Duration(limit))
		s.schedule(limit, deadline, slot, c.gen)
	}
	who := s.bind(c)
	c.machine = who.rules.Start(s.time, call.Options{Deadline: until, Hedge: true})
	if parent == root {
		c.bin, c.top = s.bins.call(s.now), s.top(by)
		if c.top {
			s.tops.Calls++
		}
	} else {
		c.bin, c.top = s.attempts.At(parent).bin, s.attempts.At(parent).top
	}
	s.advance(slot, c)
}

// bind makes the policy's state that of the process which makes c.
func (s *sim) bind(c *callState) *callers {
	who := s.hops[c.hop]
	who.current, who.spends = c.by, c.budget
	return who
}

// advance carries out what the call wants until it waits or stops.
func (s *sim) advance(slot uint32, c *callState) {
	for {
		switch step := c.machine.Next(s.time); step.Op {
		case call.Send:
			s.send(slot, c, step)
		case call.Wait:
			if step.At.IsZero() {
				return
			}
			if at := int64(step.At.Sub(s.start)); at != c.wakeAt {
				c.wakeAt = at
				s.schedule(at, wake, slot, c.gen)
			}
			return
		case call.Stop:
			s.finish(slot, c, step.Reason)
			return
		}
	}
}

func (s *sim) send(slot uint32, c *callState, step call.Step) {
	i, a := s.attempts.Take()
	*a = attempt{
		call: slot, callGen: c.gen, number: step.Attempt, expires: c.limit, hop: c.hop, bin: c.bin, top: c.top, gen: a.gen + 1,
	}
	if step.Timeout > 0 && int64(step.Timeout) < c.limit-s.now {
		a.expires = s.now + int64(step.Timeout)
		s.schedule(a.expires, expire, i, a.gen)
	}
	if int(c.hop) == len(s.hops)-1 {
		s.bins.attempt(s.now, c.bin)
		s.place(i, a, c)
	}
	s.schedule(s.now+s.leg(), reach, i, 0)
}

// finish ends a call: its client counts it, or its service answers.
func (s *sim) finish(slot uint32, c *callState, reason retry.Reason) {
	parent, gen, by := c.parent, c.gen, c.by
	ok := reason == retry.ReasonSuccess
	s.forsake(c, ok, reason == retry.ReasonDeadline)
	if parent == root {
		s.bins.end(s.now, c.bin, ok)
		if ok {
			s.took.add(s.now - c.began)
		}
		if c.top && ok {
			s.tops.Succeeded++
		}
	}
	c.gen = gen + 1
	s.calls.Release(slot)
	if parent == root {
		s.goOn(by, reason)
		return
	}
	o := retry.Outcome{}
	if !ok {
		o = retry.Outcome{Class: retry.Transient}
		if s.hops[c.hop].forbids(reason) {
			o.Forbidden = retry.ReasonNoRetry
		}
	}
	s.answer(parent, o)
}

// forbids reports whether a service that failed for this reason asks its caller not to retry, as
// the drivers do when they mark a request that is being handled.
func (c *callers) forbids(reason retry.Reason) bool {
	switch reason {
	case retry.ReasonNoRetry, retry.ReasonHint, retry.ReasonPaused:
		return c.tell
	case retry.ReasonMaxAttempts, retry.ReasonMaxElapsed, retry.ReasonBudget, retry.ReasonDeadline:
		return c.tell && !c.single
	}
	return false
}

// answer sends an attempt's outcome back to its caller.
func (s *sim) answer(i uint32, o retry.Outcome) {
	a := s.attempts.At(i)
	a.outcome = s.decide(a, o)
	s.schedule(s.now+s.leg(), reply, i, 0)
}

// waiting returns the call that still waits for an attempt, or nil.
func (s *sim) waiting(a *attempt) *callState {
	if a.gone {
		return nil
	}
	if c := s.calls.At(a.call); c.gen == a.callGen {
		return c
	}
	return nil
}

// reply brings an answer to the caller, if that still waits for it.
func (s *sim) reply(i uint32) {
	a := s.attempts.At(i)
	c, slot := s.waiting(a), a.call
	if c != nil {
		s.bind(c)
		s.judge(i, a, c, resultOf(a.outcome))
		c.machine.Done(s.time, a.number, a.outcome)
	}
	s.forget(i)
	if c != nil {
		s.advance(slot, c)
	}
}

// forget frees an attempt's slot; it must not be read afterward.
func (s *sim) forget(i uint32) {
	a := s.attempts.At(i)
	a.gen++
	a.gone = true // a free slot is nobody's
	s.attempts.Release(i)
}

// expire ends an attempt that takes too long.
func (s *sim) expire(i, gen uint32) { s.abandon(i, gen, retry.Outcome{Class: retry.Timeout}) }

// abandon ends an attempt in the eyes of its caller. The server may go on with it.
func (s *sim) abandon(i, gen uint32, o retry.Outcome) {
	a := s.attempts.At(i)
	if a.gen != gen {
		return
	}
	c := s.waiting(a)
	a.gone = true
	slot, number := a.call, a.number
	if c != nil {
		s.judge(i, a, c, outlier.Failed)
	}
	if a.silent {
		s.forget(i)
	}
	if c == nil {
		return
	}
	s.bind(c)
	c.machine.Done(s.time, number, o)
	s.advance(slot, c)
}

func (s *sim) wake(slot, gen uint32) {
	c := s.calls.At(slot)
	if c.gen != gen {
		return
	}
	c.wakeAt = -1
	s.bind(c)
	s.advance(slot, c)
}

func (s *sim) giveUp(slot, gen uint32) {
	c := s.calls.At(slot)
	if c.gen != gen {
		return
	}
	s.bind(c)
	c.machine.Cancel(s.time, retry.ReasonDeadline)
	s.advance(slot, c)
}
