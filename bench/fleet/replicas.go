package fleet

import (
	"errors"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
	"github.com/evenkeel-go/evenkeel/outlier"
	"github.com/evenkeel-go/evenkeel/retry"
)

// Replicas sets the number of servers, each like Scenario.Server, and how attempts are
// spread over them: in turn, by each process that calls them for itself.
type Replicas struct {
	N         int             // 0 means 1
	Elsewhere bool            // an attempt goes to a server that the call's earlier attempts were not sent to
	SetAside  *outlier.Config // nil: no server is set aside
}

const maxReplicas = 100

func (r Replicas) validate() error {
	var errs []error
	if r.N < 0 || r.N > maxReplicas {
		errs = append(errs, conf.Errorf("N", "must be between 0 (one) and %d, not %d", maxReplicas, r.N))
	}
	if r.SetAside != nil {
		errs = append(errs, conf.In("SetAside", r.SetAside.Validate()))
	}
	return errors.Join(errs...)
}

// place is an attempt that was sent to one of several replicas.
type place struct {
	attempt, gen uint32
	replica      uint8
	at           int64
	number       int
	judged       bool
	outlier      outlier.Attempt
}

// balancer is one process's record of the replicas.
type balancer struct {
	replicas []replica
	group    *outlier.Group // nil: none is set aside
	next     int
}

type replica struct{ outlier *outlier.Backend }

func newBalancer(r Replicas) *balancer {
	b := &balancer{replicas: make([]replica, r.N)}
	if r.SetAside != nil {
		b.group = outlier.New(*r.SetAside)
		for i := range b.replicas {
			b.replicas[i].outlier = b.group.Add("")
		}
	}
	return b
}

// balance makes what every process knows, if there is a choice.
func (c *callers) balance(r Replicas) {
	if r.N < 2 {
		return
	}
	c.replicas = r
	for range c.n {
		c.balancers = append(c.balancers, newBalancer(r))
	}
}

// avoided is the rank of a replica that is set aside. Lower ones count the attempts the call has
// sent there.
const avoided = 1 << 16

// place chooses the replica of an attempt.
func (s *sim) place(i uint32, a *attempt, c *callState) {
	who := s.hops[c.hop]
	if who.balancers == nil {
		return
	}
	b := who.balancers[c.by]
	r := b.pick(s.time, c, who.replicas.Elsewhere)
	b.next = r + 1
	a.replica = uint8(r)
	p := place{attempt: i, gen: a.gen, replica: a.replica, at: s.now, number: a.number}
	if b.group != nil {
		p.outlier, _, _ = b.group.Send(s.time, b.replicas[r].outlier, true)
	}
	c.placed = append(c.placed, p)
}

// pick returns the next replica in turn of those with the lowest rank.
func (b *balancer) pick(now time.Time, c *callState, elsewhere bool) int {
	best, least := 0, 2*avoided
	for k := range b.replicas {
		r := (b.next + k) % len(b.replicas)
		rank := 0
		for _, p := range c.placed {
			if elsewhere && int(p.replica) == r {
				rank++
			}
		}
		if o := b.replicas[r].outlier; o != nil {
			state := o.State(now)
			if state == outlier.Due && len(c.placed) == 0 {
				return r
			}
			if state != outlier.InUse {
				rank += avoided
			}
		}
		if rank < least {
			best, least = r, rank
		}
	}
	return best
}

// judge reports what an attempt came to for its caller.
func (s *sim) judge(i uint32, a *attempt, c *callState, r outlier.Result) {
	for k := range c.placed {
		if p := &c.placed[k]; p.attempt == i && p.gen == a.gen {
			s.report(c, p, r)
		}
	}
}

// forsake reports the attempts that are under way when a call ends: overtaken, if it has
// succeeded.
func (s *sim) forsake(c *callState, ok, late bool) {
	r := outlier.Ignored
	switch {
	case ok:
		r = outlier.Overtaken
	case late:
		r = outlier.Failed
	}
	answer := c.machine.Report().Answer
	for k := range c.placed {
		p := &c.placed[k]
		if ok && p.number > answer {
			s.report(c, p, outlier.Ignored)
			continue
		}
		s.report(c, p, r)
	}
}

func (s *sim) report(c *callState, p *place, r outlier.Result) {
	b := s.hops[c.hop].balancers[c.by]
	if p.judged || b.group == nil {
		return
	}
	p.judged = true
	took := time.Duration(0)
	if r == outlier.Succeeded || r == outlier.Overtaken {
		took = time.Duration(s.now - p.at)
	}
	b.group.Report(s.time, p.outlier, r, took)
}

// resultOf returns the result that an outcome means for a replica.
func resultOf(o retry.Outcome) outlier.Result {
	switch o.Class {
	case retry.Transient, retry.Throttled, retry.Timeout:
		return outlier.Failed
	}
	return outlier.Succeeded
}
