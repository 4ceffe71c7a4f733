package experiments

import (
	"cmp"
	"math"
	"math/rand/v2"
	"time"

	"github.com/evenkeel-go/evenkeel/bench/internal/events"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// crowdSim is one run of a crowd on a policy.
type crowdSim struct {
	crowd
	cfg      retry.Config
	rng      *rand.Rand
	rules    []*crowdRules
	weights  []float64
	underWay [][]uint32 // attempts of each client, if connections are lost
	queue    crowdQueue
	order    uint64
	calls    events.Slots[crowdCall]
	attempts events.Slots[crowdAttempt]
	fifo     []uint32
	busy     bool
	got      gathered
}

// crowdRules are those of one process.
type crowdRules struct {
	call.Rules
	// plain says that a first attempt which succeeds needs nothing but the budget's Begin and End,
	// as in the drivers: its call.Call begins when it fails.
	plain    bool
	timeless bool // and neither needs the time
}

var crowdStart = time.Unix(1_000_000_000, 0)

func crowdTime(t float64) time.Time { return crowdStart.Add(time.Duration(t * 1e9)) }

// now returns the time for the budget of a first attempt outside a call.Call.
func (r *crowdRules) now(t float64) (now time.Time) {
	if !r.timeless {
		now = crowdTime(t)
	}
	return now
}

func (s *crowdSim) at(t float64, k crowdKind, slot, gen uint32) {
	s.order++
	s.queue.push(crowdEvent{
		At: int64(math.Float64bits(t)), Order: s.order<<crowdKindBits | uint64(k), What: crowdTarget{slot, gen},
	})
}

// gather runs a crowd on a policy.
func gather(cfg retry.Config, c crowd, seed uint64) *gathered {
	c.burst, c.leg = max(c.burst, 1), max(c.leg, 0.001)
	c.to = cmp.Or(c.to, c.seconds)
	s := &crowdSim{crowd: c, cfg: cfg, rng: rand.New(rand.NewPCG(seed, 42))}
	s.got.begun, s.got.succeeded = make([]int, int(c.seconds)+1), make([]int, int(c.seconds)+1)
	s.underWay = make([][]uint32, c.clients)
	s.weigh()
	for i := range uint32(c.clients) {
		s.rules = append(s.rules, s.process())
		first := s.gap(i)
		if c.every > 0 {
			first = s.rng.Float64() * c.every
		}
		s.at(first, crowdArrives, i, 0)
		if c.restarts > 0 {
			s.at(s.rng.ExpFloat64()*c.restarts, crowdRestarts, i, 0)
		}
		if c.cuts > 0 {
			s.at(c.cuts, crowdCuts, i, 0)
		}
	}
	if c.stopped[1] > 0 {
		s.at(c.stopped[1], crowdServes, 0, 0)
	}
	for {
		e, ok := s.queue.pop()
		t := timeOf(&e)
		if !ok || t > c.seconds+120 {
			return &s.got
		}
		s.happen(&e, t)
	}
}

func (s *crowdSim) happen(e *crowdEvent, t float64) {
	slot, gen := e.What.slot, e.What.gen
	switch kindOf(e) {
	case crowdArrives:
		s.arrive(slot, t)
	case crowdRestarts:
		s.restart(slot, t)
	case crowdCuts:
		s.cutAgain(slot, t)
	case crowdServes:
		s.serve(t)
	case crowdServed:
		s.served(t)
	case crowdReaches:
		s.reach(slot, t)
	case crowdLands:
		s.answered(slot, t)
	case crowdExpires:
		s.expire(slot, gen, t)
	case crowdWakes:
		s.wake(slot, gen, t)
	case crowdDeadline:
		s.giveUp(slot, gen, t)
	}
}

func (s *crowdSim) weigh() {
	total := 0.0
	for i := range s.clients {
		w := 1.0
		if s.zipf {
			w /= float64(i + 1)
		}
		s.weights = append(s.weights, w)
		total += w
	}
	for i := range s.weights {
		s.weights[i] *= s.rate / total
	}
}

// process returns a new process's rules: its own budget and limits.
func (s *crowdSim) process() *crowdRules {
	spec := cmp.Or[budget.Spec](s.cfg.Budget, budget.Adaptive{})
	r := &crowdRules{Rules: call.Rules{
		MaxAttempts: s.cfg.MaxAttempts, Backoff: s.cfg.Backoff, ThrottledBackoff: s.cfg.ThrottledBackoff,
		MaxHint: s.cfg.MaxHint, Budget: spec.New(), Rand: s.rng.Float64,
	}}
	if s.crowd.attempts > 0 && (r.MaxAttempts > s.crowd.attempts || r.MaxAttempts <= 0) {
		r.MaxAttempts = s.crowd.attempts
	}
	switch {
	case s.cfg.AttemptTimeout != nil:
		r.AttemptTimeout = s.cfg.AttemptTimeout.New()
	case s.timeout > 0:
		r.AttemptTimeout = timeout.Fixed(s.timeout * 1e9).New()
	}
	if s.cfg.Hedge != nil {
		r.Hedge = s.cfg.Hedge.New()
	}
	for range s.warm {
		r.Budget.End(crowdStart, r.Budget.Begin(crowdStart), budget.Alive)
	}
	_, gated := r.Budget.(budget.Gate)
	_, learns := r.AttemptTimeout.(timeout.Learner)
	_, r.timeless = r.Budget.(budget.Timeless)
	r.plain = !gated && !learns && r.Hedge == nil
	return r
}

func (s *crowdSim) restart(client uint32, t float64) {
	s.rules[client] = s.process()
	if t < s.seconds {
		s.at(t+s.rng.ExpFloat64()*s.restarts, crowdRestarts, client, 0)
	}
}

func (s *crowdSim) gap(client uint32) float64 {
	if s.every > 0 {
		return s.every
	}
	return s.rng.ExpFloat64() / s.weights[client] * float64(s.burst)
}

func (s *crowdSim) legTime() float64 { return s.rng.ExpFloat64() * s.leg }

func (s *crowdSim) arrive(client uint32, t float64) {
	if t > s.seconds {
		return
	}
	s.at(t+s.gap(client), crowdArrives, client, 0)
	if s.off > 0 && math.Mod(t+float64(client)*0.37, s.on+s.off) > s.on {
		return
	}
	var request *crowdRequest
	if s.fanOut {
		request = &crowdRequest{left: s.burst}
	}
	for range s.burst {
		s.begin(client, request, t)
	}
}
