package experiments

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/evenkeel-go/evenkeel/budget"
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
