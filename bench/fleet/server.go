package fleet

import (
	"time"

	"github.com/evenkeel-go/evenkeel/retry"
)

// server is the state of what does the work.
type server struct {
	Server
	number  uint32 // among the replicas
	weather conditions
	rate    float64 // attempts a second just now; 0: it stands still

	queue   ring
	busy    bool
	current uint32  // the attempt in its hands
	left    float64 // what was left to do of it, as a share, at the time since
	since   int64
	gen     uint32 // of the event that says it is done
	inside  int64  // attempts under way in a server that does any number at a time

	window  int64 // the present one
	granted int   // attempts taken in it
}

// grant uses up one attempt of the window's quota, if something is left of it.
func (v *server) grant(now int64) bool {
	if w := now / v.Window.Nanoseconds(); w != v.window {
		v.window, v.granted = w, 0
	}
	v.granted++
	return v.granted <= v.Quota
}

// reach brings an attempt to a service or to the server.
func (s *sim) reach(i uint32) {
	a := s.attempts.At(i)
	if int(a.hop) < len(s.hops)-1 {
		s.pass(i, a)
		return
	}
	s.enter(a)
	v := &s.servers[a.replica]
	w := &v.weather
	switch {
	case w.fail > 0 && s.rng.Float64() < w.fail:
		s.answer(i, retry.Outcome{Class: retry.Transient})
	case w.throttle > 0 && s.rng.Float64() < w.throttle:
		s.answer(i, retry.Outcome{Class: retry.Throttled, After: w.after})
	case v.Quota > 0 && !v.grant(s.now):
		left := time.Duration(v.Window.Nanoseconds() - s.now%v.Window.Nanoseconds())
		s.answer(i, retry.Outcome{Class: retry.Throttled, After: (left + time.Second - 1).Truncate(time.Second)})
	case w.hang > 0 && s.rng.Float64() < w.hang:
		s.ignore(i, a)
	case v.Rate > 0:
		s.enqueue(v, i)
	default:
		s.admit(v, i)
	}
}

// pass makes a service's own call for an attempt that reached it, unless nobody waits for it any
// more.
func (s *sim) pass(i uint32, a *attempt) {
	if a.expires <= s.now {
		s.ignore(i, a)
		return
	}
	hop := a.hop + 1
	s.begin(hop, s.pick(s.hops[hop].n), i, a.expires)
}

// ignore leaves an attempt without an answer.
func (s *sim) ignore(i uint32, a *attempt) {
	a.drop()
	if s.waiting(a) == nil {
		s.forget(i)
		return
	}
	a.silent = true
}

// admit runs a server that does any number of attempts at a time.
func (s *sim) admit(v *server, i uint32) {
	v.inside++
	took := sample(v.Latency, s.rng) + v.weather.slow + bounded(float64(v.inside)*float64(v.Slowdown))
	if v.Slowdown == 0 { // nobody asks how many are inside
		s.leave(i, took)
		return
	}
	s.schedule(s.now+took, leave, i, 0)
}

// leave answers an attempt after some time more.
func (s *sim) leave(i uint32, more int64) {
	a := s.attempts.At(i)
	s.servers[a.replica].inside--
	a.outcome = s.decide(a, retry.Outcome{})
	s.schedule(s.now+more+s.leg(), reply, i, 0)
}

// enqueue runs a server that does one attempt after another.
func (s *sim) enqueue(v *server, i uint32) {
	if s.sheds(s.attempts.At(i), v.inHand()) {
		s.answer(i, retry.Outcome{Class: retry.Throttled, Forbidden: retry.ReasonNoRetry})
		return
	}
	if v.Queue > 0 && v.queue.len() >= v.Queue {
		s.answer(i, retry.Outcome{Class: retry.Throttled})
		return
	}
	v.queue.push(i)
	if !v.busy {
		s.work(v)
	}
}

// inHand returns how many attempts wait or are being worked on.
func (v *server) inHand() int {
	if v.busy {
		return v.queue.len() + 1
	}
	return v.queue.len()
}

// work starts the next attempt.
func (s *sim) work(v *server) {
	v.busy = false
	for v.rate > 0 && v.queue.len() > 0 {
		i := v.queue.pop()
		if v.Drops && s.vain(v, i) {
			continue
		}
		v.busy, v.current, v.left = true, i, 1
		s.resume(v)
		return
	}
}

// vain drops an attempt that nobody waits for any more, or will by the time it is done.
func (s *sim) vain(v *server, i uint32) bool {
	a := s.attempts.At(i)
	switch {
	case s.waiting(a) == nil:
		s.forget(i)
	case a.expires <= s.now+bounded(1e9/v.rate):
		a.silent = true
	default:
		return false
	}
	a.drop()
	return true
}

// resume goes on with the attempt in hand at the present rate.
func (s *sim) resume(v *server) {
	v.since = s.now
	v.gen++
	if v.rate > 0 {
		s.schedule(s.now+bounded(v.left*1e9/v.rate), served, v.number, v.gen)
	}
}

// done answers the attempt in hand and takes the next.
func (s *sim) done(v *server, gen uint32) {
	if gen != v.gen {
		return
	}
	v.inside++
	s.leave(v.current, sample(v.Latency, s.rng)+v.weather.slow)
	s.work(v)
}

// setRate changes how much the server can do, in the middle of its work.
func (s *sim) setRate(v *server, rate float64) {
	if rate == v.rate {
		return
	}
	if v.busy {
		v.left = max(0, v.left-float64(s.now-v.since)*1e-9*v.rate)
	}
	v.rate = rate
	if v.busy {
		s.resume(v)
	} else {
		s.work(v)
	}
}

// ring is a queue of attempts.
type ring struct {
	slots      []uint32
	head, size int
}

func (r *ring) len() int { return r.size }

func (r *ring) push(i uint32) {
	if r.size == len(r.slots) {
		r.grow()
	}
	r.slots[(r.head+r.size)&(len(r.slots)-1)] = i
	r.size++
}

func (r *ring) pop() uint32 {
	i := r.slots[r.head]
	r.head = (r.head + 1) & (len(r.slots) - 1)
	r.size--
	return i
}

func (r *ring) grow() {
	slots := make([]uint32, max(16, 2*len(r.slots)))
	n := copy(slots, r.slots[r.head:])
	copy(slots[n:], r.slots[:r.head])
	r.slots, r.head = slots, 0
}
