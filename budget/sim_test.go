package budget_test

import (
	"math/rand/v2"

	"github.com/evenkeel-go/evenkeel/budget"
)

// fleet is a model of clients that share nothing but the destination. Calls come as a Poisson
// process; each network leg takes an exponential time of mean 10 ms; whether an attempt fails is
// decided at the server, whatever the load; retries follow at once. It drives the budgets that
// ship, on a virtual clock.
type fleet struct {
	spec     budget.Spec
	clients  int
	rate     float64                 // calls a second of one client
	every    float64                 // if set: one call each so many seconds, at a random phase, and rate is ignored
	attempts int                     // what a call may send; 0 means 3
	burst    int                     // calls that start together; 0 means 1, at the same overall rate
	fail     func(t float64) float64 // probability that an attempt which arrives at t fails
	because  budget.Evidence         // of failures; None means Failed
	hang     float64                 // if set: a failure is silence, and the client gives up after so many seconds
	slow     float64                 // what the server takes for a success, in seconds
	restarts float64                 // if set: each process is replaced so often on average, in seconds
	seconds  float64                 // length of the run
	from, to float64                 // what is counted: calls that begin between, and their attempts; 0, 0: all
	seed     uint64
}

type tally struct{ calls, sent, ok int }

func (t tally) load() float64    { return float64(t.sent) / float64(t.calls) }
func (t tally) success() float64 { return float64(t.ok) / float64(t.calls) }

type event struct {
	at     float64
	client int
	what   byte // 'c' a call begins, 's' an attempt reaches the server, 'r' its result the client,
	// 'a' a waiting call asks again, 'n' a new process
	attempt int
	permit  budget.Permit
	budget  budget.Budget
	failed  bool
	counted bool
	because budget.Evidence // of the latest failure
	wait    float64         // before a call that waits asks again
}

func (f fleet) run() tally {
	if f.attempts == 0 {
		f.attempts = 3
	}
	if f.because == budget.None {
		f.because = budget.Failed
	}
	if f.to == 0 {
		f.to = f.seconds
	}
	f.burst = max(f.burst, 1)
	s := sim{fleet: f, rng: rand.New(rand.NewPCG(f.seed, 42)), budgets: make([]budget.Budget, f.clients)}
	for c := range f.clients {
		s.budgets[c] = f.spec.New()
		first := s.gap()
		if f.every > 0 {
			first = s.rng.Float64() * f.every
		}
		s.push(event{at: first, client: c, what: 'c'})
		if f.restarts > 0 {
			s.push(event{at: s.rng.ExpFloat64() * f.restarts, client: c, what: 'n'})
		}
	}
	for len(s.queue) > 0 {
		s.step(s.pop())
	}
	return s.tally
}

type sim struct {
	fleet
	rng     *rand.Rand
	budgets []budget.Budget
	queue   []event
	tally   tally
}

func (s *sim) leg() float64 { return s.rng.ExpFloat64() * 0.010 }

func (s *sim) gap() float64 {
	if s.every > 0 {
		return s.every
	}
	return s.rng.ExpFloat64() / s.rate * float64(s.burst)
}

func (s *sim) step(e event) {
	switch e.what {
	case 'c':
		if e.at > s.seconds {
			return
		}
		counted := e.at >= s.from && e.at < s.to
		for range s.burst {
			if counted {
				s.tally.calls++
			}
			b := s.budgets[e.client]
			s.send(event{
				at: e.at, client: e.client, attempt: 1, permit: b.Begin(at(e.at)), budget: b, counted: counted,
			})
		}
		s.push(event{at: e.at + s.gap(), client: e.client, what: 'c'})
	case 'n':
		s.budgets[e.client] = s.spec.New()
		if e.at < s.seconds {
			s.push(event{at: e.at + s.rng.ExpFloat64()*s.restarts, client: e.client, what: 'n'})
		}
	case 's':
		s.arrive(e)
	case 'r':
		s.result(e)
	case 'a':
		s.ask(e)
	}
}

func (s *sim) send(e event) {
	if e.counted {
		s.tally.sent++
	}
	e.what = 's'
	e.at += s.leg()
	s.push(e)
}

func (s *sim) arrive(e event) {
	e.what = 'r'
	e.failed = s.rng.Float64() < s.fail(e.at)
	switch {
	case !e.failed:
		e.at += s.slow + s.leg()
	case s.hang > 0:
		e.at += s.hang
	default:
		e.at += s.leg()
	}
	s.push(e)
}

func (s *sim) result(e event) {
	now := at(e.at)
	if !e.failed {
		if e.counted {
			s.tally.ok++
		}
		e.budget.End(now, e.permit, budget.Alive)
		return
	}
	because := s.because
	if s.hang > 0 {
		because = budget.Silent
	}
	e.budget.End(now, e.permit, because)
	if e.attempt == s.attempts {
		return
	}
	e.because = because
	if _, ok := e.budget.(budget.Queue); ok {
		s.ask(e)
		return
	}
	if p, ok := e.budget.Admit(now, budget.Retry, because, e.permit); ok {
		e.permit = p
		e.attempt++
		s.send(e)
	}
}

// ask asks a Queue, and again after 20 ms growing to 200 ms while it answers Later.
func (s *sim) ask(e event) {
	p, answer := e.budget.(budget.Queue).Ask(at(e.at), budget.Retry, e.because, e.permit)
	switch answer {
	case budget.Granted:
		e.permit, e.wait = p, 0
		e.attempt++
		s.send(e)
	case budget.Later:
		e.permit = p
		e.wait = min(max(1.5*e.wait, 0.020), 0.200)
		e.at += e.wait * (0.75 + 0.5*s.rng.Float64())
		e.what = 'a'
		s.push(e)
	}
}

// push and pop keep queue a binary heap by time.
func (s *sim) push(e event) {
	s.queue = append(s.queue, e)
	q := s.queue
	for i := len(q) - 1; i > 0 && q[i].at < q[(i-1)/2].at; i = (i - 1) / 2 {
		q[i], q[(i-1)/2] = q[(i-1)/2], q[i]
	}
}

func (s *sim) pop() event {
	q := s.queue
	top := q[0]
	last := len(q) - 1
	q[0] = q[last]
	q = q[:last]
	for i := 0; ; {
		c := 2*i + 1
		if c+1 < last && q[c+1].at < q[c].at {
			c++
		}
		if c >= last || q[i].at <= q[c].at {
			break
		}
		q[i], q[c] = q[c], q[i]
		i = c
	}
	s.queue = q
	return top
}

func constant(p float64) func(float64) float64 { return func(float64) float64 { return p } }

// outageAt returns a world that is healthy until t and dead from then on.
func outageAt(t float64) func(float64) float64 {
	return func(now float64) float64 {
		if now < t {
			return 0
		}
		return 1
	}
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }
