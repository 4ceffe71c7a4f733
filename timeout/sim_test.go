package timeout_test

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"time"

	"github.com/evenkeel-go/evenkeel/timeout"
)

// A service answers at a rate, each time after a latency of its own.
type service struct {
	perSecond float64
	latency   func(at time.Duration, r *rand.Rand) time.Duration
}

// A run is what a client saw of it that gives each attempt the limit it has when it is sent. The
// limit is told of each attempt when it ends, as by a driver: of those given up, only that.
type run struct {
	sent, falsely int             // attempts, and those given up that would have been answered
	limits        []time.Duration // at each whole second
	usual         []time.Duration
}

type ending struct {
	at, took time.Duration
	answered bool
}

type endings []ending

func (e endings) Len() int           { return len(e) }
func (e endings) Less(i, j int) bool { return e[i].at < e[j].at }
func (e endings) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *endings) Push(x any)        { *e = append(*e, x.(ending)) }
func (e *endings) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// simulate runs l against s in virtual time, and counts attempts from the time `from` on.
func simulate(l timeout.Learner, s service, from, until time.Duration, seed uint64) run {
	var (
		r     = rand.New(rand.NewPCG(seed, 1))
		under endings
		out   run
	)
	end := func(until time.Duration) {
		for len(under) > 0 && under[0].at <= until {
			e := heap.Pop(&under).(ending)
			l.Observe(epoch.Add(e.at), e.took, e.answered)
		}
	}
	for at := time.Duration(0); at < until; {
		at += time.Duration(r.ExpFloat64() / s.perSecond * float64(time.Second))
		end(at)
		for time.Duration(len(out.limits))*time.Second <= at {
			out.limits = append(out.limits, l.Timeout())
			out.usual = append(out.usual, l.Usual())
		}
		took, limit := s.latency(at, r), l.Timeout()
		late := took > limit
		heap.Push(&under, ending{at: at + min(took, limit), took: min(took, limit), answered: !late})
		if at < from {
			continue
		}
		out.sent++
		if late {
			out.falsely++
		}
	}
	return out
}

func lognormal(median time.Duration, sigma float64) func(time.Duration, *rand.Rand) time.Duration {
	return func(_ time.Duration, r *rand.Rand) time.Duration {
		return time.Duration(float64(median) * math.Exp(sigma*r.NormFloat64()))
	}
}

// stragglers draws the base latency of the experiment hedge of bench: mean 5 ms, sd 2 ms, of which
// one in twenty is ten times slower.
func stragglers() func(time.Duration, *rand.Rand) time.Duration {
	base := lognormal(4642*time.Microsecond, 0.3853)
	return func(at time.Duration, r *rand.Rand) time.Duration {
		d := base(at, r)
		if r.Float64() < 0.05 {
			d *= 10
		}
		return d
	}
}

// twoModes has a cache that holds 90 % of what is asked for, and a disk.
func twoModes() func(time.Duration, *rand.Rand) time.Duration {
	cache, disk := lognormal(2*time.Millisecond, 0.3), lognormal(60*time.Millisecond, 0.4)
	return func(at time.Duration, r *rand.Rand) time.Duration {
		if r.Float64() < 0.9 {
			return cache(at, r)
		}
		return disk(at, r)
	}
}

// drifting swings between half and one and a half of its latency, once in period.
func drifting(period time.Duration) func(time.Duration, *rand.Rand) time.Duration {
	base := lognormal(20*time.Millisecond, 0.5)
	return func(at time.Duration, r *rand.Rand) time.Duration {
		swing := 1 + 0.5*math.Sin(2*math.Pi*at.Seconds()/period.Seconds())
		return time.Duration(float64(base(at, r)) * swing)
	}
}
