package experiments

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/retry"
)

// crowd is a scenario of together: clients that share nothing but the destination, and a world in
// which failures come together. Times are seconds. It drives call.Call and the budgets that ship,
// as fleet does; fleet has no connections, no requests of several calls and no clients of
// different size.
type crowd struct {
	clients  int
	rate     float64    // calls a second of all clients together (Poisson), each as busy as the others
	zipf     bool       // … or the n-th with 1/n of the first's
	every    float64    // each client calls at this interval, from a random phase; rate is ignored
	burst    int        // calls that start together; 0 means 1
	fanOut   bool       // they are one request, which succeeds if all of them do
	on, off  float64    // clients call for so long, and then do not for so long
	attempts int        // 0: the policy's
	timeout  float64    // of an attempt, if the policy has none
	deadline float64    // of a call
	slow     float64    // what a success takes at the server
	leg      float64    // mean of a network leg, exponential; 0 means 10 ms
	world    world      // what becomes of an attempt; nil: it succeeds
	cuts     float64    // each client's connection is lost at this interval, with what is under way
	cutOnce  bool       // only the first time
	warm     int        // successes before the start
	capacity float64    // attempts a second of a server that works on one after another, also for nobody
	stopped  [2]float64 // it stands still from, to
	resets   int        // attempts that wait there when it resets the connection of the client whose attempt comes
	restarts float64    // each client's process is replaced so often on average

	seconds  float64
	from, to float64 // calls that are counted: those that begin between; 0, 0: all
}

// world decides what becomes of the n-th attempt of a call that reaches the server at t.
type world func(rng *rand.Rand, t float64, n int) fate

type fate struct {
	hangs  bool
	failed budget.Evidence // None: it succeeds
	took   float64         // until it fails
}

// gathered holds the results of a run.
type gathered struct {
	calls, ok, sent, failedRetries int
	requests, whole                int
	hit, saved                     int       // calls that a cut met, and of these those that succeeded
	added                          []float64 // seconds without an attempt under way, of each call that failed
	waiting, mostWaiting           int
	begun, succeeded               []int // by second
}

func (g *gathered) add(o *gathered) {
	g.calls += o.calls
	g.ok += o.ok
	g.sent += o.sent
	g.failedRetries += o.failedRetries
	g.requests += o.requests
	g.whole += o.whole
	g.hit += o.hit
	g.saved += o.saved
	g.added = append(g.added, o.added...)
	g.mostWaiting = max(g.mostWaiting, o.mostWaiting)
}

func (g *gathered) success() float64 {
	switch {
	case g.requests > 0:
		return float64(g.whole) / float64(g.requests)
	case g.hit > 0:
		return float64(g.saved) / float64(g.hit)
	}
	return float64(g.ok) / float64(g.calls)
}

func (g *gathered) percentile(q float64) float64 {
	if len(g.added) == 0 {
		return 0
	}
	slices.Sort(g.added)
	return g.added[min(len(g.added)-1, int(q*float64(len(g.added))))]
}

// recovery returns the time from the start of the standstill until goodput is back for ten
// seconds, in seconds.
func (g *gathered) recovery(c crowd) float64 {
	good := 0
	for i := int(c.stopped[0]); i < int(c.seconds)-5; i++ {
		if good++; float64(g.succeeded[i]) < .9*float64(g.begun[i]) {
			good = 0
		}
		if good == 10 {
			return float64(i-9) - c.stopped[0]
		}
	}
	return math.Inf(1)
}

type crowdSim struct {
	crowd
	cfg      retry.Config
	rng      *rand.Rand
	rules    []*call.Rules
	weights  []float64
	underWay []map[*crowdAttempt]bool
	queue    crowdQueue
	order    int
	fifo     []*crowdAttempt
	busy     bool
	got      gathered
}

type crowdCall struct {
	machine call.Call
	client  int
	born    float64
	counted bool
	retried bool // waits for a retry that is due, or for the budget
	waiting bool
	over    bool
	hit     bool
	wake    int // only the latest wake-up counts
	idle    float64
	waited  float64
	flying  int
	request *crowdRequest
}

type crowdRequest struct {
	left int
	bad  bool
}

type crowdAttempt struct {
	*crowdCall
	number int
	order  int
	gone   bool
}

type crowdEvent struct {
	at    float64
	order int
	do    func(t float64)
}

type crowdQueue []crowdEvent

func (q crowdQueue) Len() int { return len(q) }
func (q crowdQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q crowdQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *crowdQueue) Push(e any)   { *q = append(*q, e.(crowdEvent)) }
func (q *crowdQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = crowdEvent{}
	*q = old[:len(old)-1]
	return e
}

var crowdStart = time.Unix(1_000_000_000, 0)

func crowdTime(t float64) time.Time { return crowdStart.Add(time.Duration(t * 1e9)) }

func (s *crowdSim) at(t float64, do func(t float64)) {
	s.order++
	heap.Push(&s.queue, crowdEvent{t, s.order, do})
}

// gather runs a crowd on a policy.
func gather(cfg retry.Config, c crowd, seed uint64) *gathered {
	c.burst, c.leg = max(c.burst, 1), max(c.leg, 0.001)
	if c.to == 0 {
		c.to = c.seconds
	}
	s := &crowdSim{crowd: c, cfg: cfg, rng: rand.New(rand.NewPCG(seed, 42))}
	s.got.begun, s.got.succeeded = make([]int, int(c.seconds)+1), make([]int, int(c.seconds)+1)
	s.weigh()
	for i := range c.clients {
		s.rules = append(s.rules, s.process())
		s.underWay = append(s.underWay, map[*crowdAttempt]bool{})
		first := s.gap(i)
		if c.every > 0 {
			first = s.rng.Float64() * c.every
		}
		s.at(first, func(t float64) { s.arrive(i, t) })
		if c.restarts > 0 {
			s.at(s.rng.ExpFloat64()*c.restarts, func(t float64) { s.restart(i, t) })
		}
		if c.cuts > 0 {
			s.at(c.cuts, func(t float64) { s.cutAgain(i, t) })
		}
	}
	if c.stopped[1] > 0 {
		s.at(c.stopped[1], s.serve)
	}
	for s.queue.Len() > 0 {
		e := heap.Pop(&s.queue).(crowdEvent)
		if e.at > c.seconds+120 {
			break
		}
		e.do(e.at)
	}
	return &s.got
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
func (s *crowdSim) process() *call.Rules {
	spec := s.cfg.Budget
	if spec == nil {
		spec = budget.Adaptive{}
	}
	r := &call.Rules{
		MaxAttempts: s.cfg.MaxAttempts, Backoff: s.cfg.Backoff, ThrottledBackoff: s.cfg.ThrottledBackoff,
		MaxHint: s.cfg.MaxHint, Budget: spec.New(), Rand: s.rng.Float64,
	}
	if s.attempts > 0 && (r.MaxAttempts > s.attempts || r.MaxAttempts <= 0) {
		r.MaxAttempts = s.attempts
	}
	switch {
	case s.cfg.AttemptTimeout != nil:
		r.AttemptTimeout = s.cfg.AttemptTimeout.New()
	case s.timeout > 0:
		r.AttemptTimeout = fixed(time.Duration(s.timeout * 1e9)).New()
	}
	if s.cfg.Hedge != nil {
		r.Hedge = s.cfg.Hedge.New()
	}
	for range s.warm {
		r.Budget.End(crowdStart, r.Budget.Begin(crowdStart), budget.Alive)
	}
	return r
}

func (s *crowdSim) restart(i int, t float64) {
	s.rules[i] = s.process()
	if t < s.seconds {
		s.at(t+s.rng.ExpFloat64()*s.restarts, func(t float64) { s.restart(i, t) })
	}
}

func (s *crowdSim) gap(client int) float64 {
	if s.every > 0 {
		return s.every
	}
	return s.rng.ExpFloat64() / s.weights[client] * float64(s.burst)
}

func (s *crowdSim) legTime() float64 { return s.rng.ExpFloat64() * s.leg }

func (s *crowdSim) arrive(client int, t float64) {
	if t > s.seconds {
		return
	}
	s.at(t+s.gap(client), func(t float64) { s.arrive(client, t) })
	if s.off > 0 && math.Mod(t+float64(client)*0.37, s.on+s.off) > s.on {
		return
	}
	counted := t >= s.from && t < s.to
	var request *crowdRequest
	if s.fanOut {
		request = &crowdRequest{left: s.burst}
	}
	for range s.burst {
		c := &crowdCall{client: client, born: t, counted: counted, request: request}
		var o call.Options
		if s.deadline > 0 {
			o.Deadline = crowdTime(t + s.deadline)
			s.at(t+s.deadline, func(t float64) {
				if !c.over {
					c.machine.Cancel(crowdTime(t), retry.ReasonDeadline)
					s.advance(c, t)
				}
			})
		}
		c.machine = s.rules[client].Start(crowdTime(t), o)
		if counted {
			s.got.calls++
		}
		s.got.begun[int(t)]++
		s.advance(c, t)
	}
}

// advance carries out what the call wants until it waits or stops.
func (s *crowdSim) advance(c *crowdCall, t float64) {
	for !c.over {
		switch step := c.machine.Next(crowdTime(t)); step.Op {
		case call.Send:
			s.waits(c, false)
			s.send(c, step, t)
		case call.Wait:
			if step.At.IsZero() {
				return
			}
			if c.flying == 0 && (c.retried || s.cfg.Backoff == immediate) {
				s.waits(c, true)
			}
			c.retried = true
			c.wake++
			wake := c.wake
			s.at(max(t, step.At.Sub(crowdStart).Seconds()+1e-9), func(t float64) {
				if !c.over && c.wake == wake {
					s.advance(c, t)
				}
			})
			return
		case call.Stop:
			s.finish(c, t, step.Reason == retry.ReasonSuccess)
		}
	}
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

func (s *crowdSim) send(c *crowdCall, step call.Step, t float64) {
	if c.flying == 0 && step.Attempt > 1 {
		c.waited += t - c.idle
	}
	c.flying++
	c.retried = false
	s.order++
	a := &crowdAttempt{crowdCall: c, number: step.Attempt, order: s.order}
	if c.counted {
		s.got.sent++
	}
	if s.cuts > 0 || s.resets > 0 {
		s.underWay[c.client][a] = true
	}
	if step.Timeout > 0 {
		s.at(t+step.Timeout.Seconds(), func(t float64) { s.land(a, t, call.Outcome{Class: call.Timeout}) })
	}
	s.at(t+s.legTime(), func(t float64) { s.reach(a, t) })
}

func (s *crowdSim) reach(a *crowdAttempt, t float64) {
	if s.capacity > 0 {
		if s.resets > 0 && len(s.fifo) >= s.resets && !a.gone {
			s.cut(a.client, t)
			return
		}
		s.fifo = append(s.fifo, a)
		s.serve(t)
		return
	}
	f := fate{}
	if s.world != nil {
		f = s.world(s.rng, t, a.number)
	}
	if f.hangs {
		return
	}
	took, o := s.slow, call.Outcome{}
	if f.failed != budget.None {
		took, o = f.took, call.Outcome{Class: call.Transient, Evidence: f.failed}
	}
	s.at(t+took+s.legTime(), func(t float64) { s.land(a, t, o) })
}

// serve runs a server that works on one attempt after another.
func (s *crowdSim) serve(t float64) {
	if s.busy || len(s.fifo) == 0 || t >= s.stopped[0] && t < s.stopped[1] {
		return
	}
	s.busy = true
	s.at(t+1/s.capacity, func(t float64) {
		a := s.fifo[0]
		s.fifo = s.fifo[1:]
		s.busy = false
		s.at(t+s.legTime(), func(t float64) { s.land(a, t, call.Outcome{}) })
		s.serve(t)
	})
}

func (s *crowdSim) cutAgain(client int, t float64) {
	s.cut(client, t)
	if t+s.cuts < s.seconds && !s.cutOnce {
		s.at(t+s.cuts, func(t float64) { s.cutAgain(client, t) })
	}
}

// cut loses a client's connection, and with it all that is under way on it.
func (s *crowdSim) cut(client int, t float64) {
	var all []*crowdAttempt
	for a := range s.underWay[client] {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *crowdAttempt) int { return a.order - b.order })
	for _, a := range all {
		a.hit = a.hit || s.cuts > 0
		s.land(a, t, call.Outcome{Class: call.Transient, Evidence: budget.Lost})
	}
}

func (s *crowdSim) land(a *crowdAttempt, t float64, o call.Outcome) {
	if a.gone || a.over {
		return
	}
	a.gone = true
	delete(s.underWay[a.client], a)
	c := a.crowdCall
	c.flying--
	c.idle = t
	if a.number > 1 && c.counted && o.Class != call.Success {
		s.got.failedRetries++
	}
	c.machine.Done(crowdTime(t), a.number, o)
	s.advance(c, t)
}

func (s *crowdSim) finish(c *crowdCall, t float64, ok bool) {
	s.waits(c, false)
	c.over = true
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
