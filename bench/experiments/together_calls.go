package experiments

import (
	"slices"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/retry"
)

// crowdCall is one call, in a slot that is used again.
type crowdCall struct {
	machine call.Call
	rules   *crowdRules
	request *crowdRequest
	permit  budget.Permit // of a first attempt outside machine
	born    float64
	idle    float64
	waited  float64
	flying  int
	client  uint32
	gen     uint32 // how often the slot was used
	wakes   uint32 // only the latest wake-up counts
	outside bool   // the first attempt is under way outside machine
	counted bool
	retried bool // waits for a retry that is due, or for the budget
	waiting bool
	hit     bool
}

type crowdRequest struct {
	left int
	bad  bool
}

// crowdAttempt is one attempt, until both its caller and the server are done with it.
type crowdAttempt struct {
	call, callGen uint32
	number        int
	order         uint64
	outcome       call.Outcome // what the server answers
	client        uint32
	place         int // among those of its client that are under way
	gen           uint32
	gone          bool // its caller knows its end
	silent        bool // the server answers nothing
	listed        bool // it has a place
}

// begin starts a call.
func (s *crowdSim) begin(client uint32, request *crowdRequest, t float64) {
	slot, c := s.calls.Take()
	c.rules, c.request, c.client = s.rules[client], request, client
	c.born, c.idle, c.waited, c.flying = t, 0, 0, 0
	c.counted, c.retried, c.waiting, c.hit = t >= s.from && t < s.to, false, false, false
	if s.deadline > 0 {
		s.at(t+s.deadline, crowdDeadline, slot, c.gen)
	}
	if c.counted {
		s.got.calls++
	}
	s.got.begun[int(t)]++
	if c.outside = c.rules.plain; !c.outside {
		c.machine = c.rules.Start(crowdTime(t), s.options(c))
		s.advance(slot, c, t)
		return
	}
	c.permit = c.rules.Budget.Begin(c.rules.now(t))
	var limit time.Duration
	if c.rules.AttemptTimeout != nil {
		limit = c.rules.AttemptTimeout.Timeout()
	}
	s.send(slot, c, 1, limit, t)
}

func (s *crowdSim) options(c *crowdCall) (o call.Options) {
	if s.deadline > 0 {
		o.Deadline = crowdTime(c.born + s.deadline)
	}
	return o
}

// resume makes the machine of a call take over its first attempt.
func (s *crowdSim) resume(c *crowdCall, now time.Time) {
	if c.outside {
		c.outside = false
		c.machine = c.rules.Resume(now, call.First{Permit: c.permit}, s.options(c))
	}
}

// advance carries out what the call wants until it waits or stops.
func (s *crowdSim) advance(slot uint32, c *crowdCall, t float64) {
	for {
		switch step := c.machine.Next(crowdTime(t)); step.Op {
		case call.Send:
			s.waits(c, false)
			s.send(slot, c, step.Attempt, step.Timeout, t)
		case call.Wait:
			if step.At.IsZero() {
				return
			}
			if c.flying == 0 && (c.retried || s.cfg.Backoff == immediate) {
				s.waits(c, true)
			}
			c.retried = true
			c.wakes++
			s.at(max(t, step.At.Sub(crowdStart).Seconds()+1e-9), crowdWakes, slot, c.wakes)
			return
		case call.Stop:
			s.finish(slot, c, t, step.Reason == retry.ReasonSuccess)
			return
		}
	}
}

func (s *crowdSim) wake(slot, which uint32, t float64) {
	if c := s.calls.At(slot); c.wakes == which {
		s.advance(slot, c, t)
	}
}

func (s *crowdSim) giveUp(slot, gen uint32, t float64) {
	c := s.calls.At(slot)
	if c.gen != gen {
		return
	}
	s.resume(c, crowdTime(t))
	c.machine.Cancel(crowdTime(t), retry.ReasonDeadline)
	s.advance(slot, c, t)
}

// waits counts calls that wait for the budget: those that were put off when their retry was due.
func (s *crowdSim) waits(c *crowdCall, now bool) {
	if c.waiting != now {
		if c.waiting = now; now {
			s.got.waiting++
		} else {
			s.got.waiting--
		}
	}
	s.got.mostWaiting = max(s.got.mostWaiting, s.got.waiting)
}

func (s *crowdSim) send(slot uint32, c *crowdCall, number int, limit time.Duration, t float64) {
	if c.flying == 0 && number > 1 {
		c.waited += t - c.idle
	}
	c.flying++
	c.retried = false
	s.order++
	i, a := s.attempts.Take()
	*a = crowdAttempt{call: slot, callGen: c.gen, number: number, order: s.order, client: c.client, gen: a.gen + 1}
	if c.counted {
		s.got.sent++
	}
	if s.cuts > 0 || s.resets > 0 {
		under := &s.underWay[c.client]
		a.listed, a.place = true, len(*under)
		*under = append(*under, i)
	}
	if limit > 0 {
		s.at(t+limit.Seconds(), crowdExpires, i, a.gen)
	}
	s.at(t+s.legTime(), crowdReaches, i, 0)
}

// waitingFor returns the call that waits for an attempt, or nil if it is over.
func (s *crowdSim) waitingFor(a *crowdAttempt) *crowdCall {
	if c := s.calls.At(a.call); c.gen == a.callGen {
		return c
	}
	return nil
}

func (s *crowdSim) reach(i uint32, t float64) {
	a := s.attempts.At(i)
	if s.capacity > 0 {
		if s.resets > 0 && len(s.fifo) >= s.resets && !a.gone {
			s.cut(a.client, t)
			s.forget(i, a)
			return
		}
		s.fifo = append(s.fifo, i)
		s.serve(t)
		return
	}
	f := fate{}
	if s.world != nil {
		f = s.world(s.rng, t, a.number)
	}
	if f.hangs {
		s.forget(i, a)
		return
	}
	took := s.slow
	if f.failed != budget.None {
		took, a.outcome = f.took, call.Outcome{Class: call.Transient, Evidence: f.failed}
	}
	s.at(t+took+s.legTime(), crowdLands, i, 0)
}

// serve runs a server that works on one attempt after another.
func (s *crowdSim) serve(t float64) {
	if s.busy || len(s.fifo) == 0 || t >= s.stopped[0] && t < s.stopped[1] {
		return
	}
	s.busy = true
	s.at(t+1/s.capacity, crowdServed, 0, 0)
}

func (s *crowdSim) served(t float64) {
	i := s.fifo[0]
	s.fifo = s.fifo[1:]
	s.busy = false
	s.at(t+s.legTime(), crowdLands, i, 0)
	s.serve(t)
}

func (s *crowdSim) cutAgain(client uint32, t float64) {
	s.cut(client, t)
	if t+s.cuts < s.seconds && !s.cutOnce {
		s.at(t+s.cuts, crowdCuts, client, 0)
	}
}

// cut loses a client's connection, and with it all that is under way on it.
func (s *crowdSim) cut(client uint32, t float64) {
	all := slices.Clone(s.underWay[client])
	slices.SortFunc(all, func(i, j uint32) int { return int(s.attempts.At(i).order) - int(s.attempts.At(j).order) })
	for _, i := range all {
		a := s.attempts.At(i)
		if c := s.waitingFor(a); c != nil && s.cuts > 0 {
			c.hit = true
		}
		s.land(a, t, call.Outcome{Class: call.Transient, Evidence: budget.Lost})
	}
}

// answered brings the server's answer to its caller.
func (s *crowdSim) answered(i uint32, t float64) {
	a := s.attempts.At(i)
	s.land(a, t, a.outcome)
	s.forget(i, a)
}

func (s *crowdSim) expire(i, gen uint32, t float64) {
	a := s.attempts.At(i)
	if a.gen != gen {
		return
	}
	s.land(a, t, call.Outcome{Class: call.Timeout})
	if a.silent {
		s.forget(i, a)
	}
}

// forget frees the slot of an attempt that the server is done with, unless its caller still waits.
func (s *crowdSim) forget(i uint32, a *crowdAttempt) {
	if !a.gone && s.waitingFor(a) != nil {
		a.silent = true
		return
	}
	s.unlist(a)
	a.gen++
	s.attempts.Release(i)
}

// unlist removes an attempt from those under way.
func (s *crowdSim) unlist(a *crowdAttempt) {
	if !a.listed {
		return
	}
	a.listed = false
	under := s.underWay[a.client]
	last := under[len(under)-1]
	under[a.place] = last
	s.attempts.At(last).place = a.place
	s.underWay[a.client] = under[:len(under)-1]
}

// land ends an attempt in the eyes of its caller.
func (s *crowdSim) land(a *crowdAttempt, t float64, o call.Outcome) {
	c := s.waitingFor(a)
	if a.gone || c == nil {
		return
	}
	a.gone = true
	s.unlist(a)
	c.flying--
	c.idle = t
	if a.number > 1 && c.counted && o.Class != call.Success {
		s.got.failedRetries++
	}
	if c.outside && o.Class == call.Success {
		c.rules.Budget.End(c.rules.now(t), c.permit, budget.Alive)
		s.finish(a.call, c, t, true)
		return
	}
	now := crowdTime(t)
	s.resume(c, now)
	c.machine.Done(now, a.number, o)
	s.advance(a.call, c, t)
}

// finish ends a call and frees its slot.
func (s *crowdSim) finish(slot uint32, c *crowdCall, t float64, ok bool) {
	s.waits(c, false)
	s.count(c, t, ok)
	c.gen++
	c.wakes++
	s.calls.Release(slot)
}

func (s *crowdSim) count(c *crowdCall, t float64, ok bool) {
	if ok && t <= s.seconds {
		s.got.succeeded[int(t)]++
	}
	if r := c.request; r != nil {
		r.left--
		r.bad = r.bad || !ok
		if r.left == 0 && c.counted {
			s.got.requests++
			if !r.bad {
				s.got.whole++
			}
		}
	}
	if !c.counted {
		return
	}
	if c.hit {
		s.got.hit++
		if ok {
			s.got.saved++
		}
	}
	if ok {
		s.got.ok++
		return
	}
	if c.flying == 0 {
		c.waited += t - c.idle
	}
	s.got.added = append(s.got.added, c.waited)
}
