// Package fault makes HTTP fail on purpose, for tests of clients and servers: late answers,
// statuses, resets and bodies that break off, by script or by probability, on either side of the
// connection.
//
//	flaky := fault.Transport(nil, fault.Script(
//		fault.Fault{Status: 503, Header: http.Header{"Retry-After": {"1"}}},
//		fault.Fault{Reset: true},
//	))
//	client := http.Client{Transport: httpx.NewTransport(flaky, policy)}
package fault

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Fault describes one request's failure. The zero value lets the request through.
type Fault struct {
	// Latency passes first, or less if the request's context ends. A Transport that refuses does
	// not wait.
	Latency time.Duration
	// Status, if not 0, is answered with Header and Body in place of the wrapped Handler or
	// RoundTripper.
	Status int
	Header http.Header
	Body   string
	// Reset breaks the connection before there is an answer. A Transport reads the request's body
	// first, as if it had been sent, and fails with syscall.ECONNRESET in a *net.OpError.
	Reset bool
	// Refuse fails with syscall.ECONNREFUSED before anything is sent. A Handler, for which it is
	// too late, resets.
	Refuse bool
	// Partial, if not 0, breaks the answer's body off after that many bytes, or before the first
	// if negative; the reader gets io.ErrUnexpectedEOF. The Content-Length stays.
	Partial int
}

// Plan chooses the fault of each request. It is called by any number of goroutines at a time, and
// must neither change the request nor read its body.
type Plan func(*http.Request) Fault

// Script returns a Plan of the given faults, one per request in the order in which requests
// arrive, and none after the last.
func Script(faults ...Fault) Plan {
	var next atomic.Int64
	return func(*http.Request) Fault {
		i := next.Add(1) - 1
		if i >= int64(len(faults)) {
			return Fault{}
		}
		return faults[i]
	}
}

// Rule is a fault and how probable it is, from 0 to 1.
type Rule struct {
	Probability float64
	Fault
}

// Random returns a Plan that draws at most one of the rules for each request; with the rest of the
// probability nothing happens. The same seed draws the same faults in the same order. It panics if
// a probability is not from 0 to 1, or if their sum is above 1.
func Random(seed uint64, rules ...Rule) Plan {
	sum := 0.0
	for i, r := range rules {
		if !(r.Probability >= 0 && r.Probability <= 1) {
			panic(fmt.Sprintf("fault: Random: rule %d: Probability must be from 0 to 1, not %v", i, r.Probability))
		}
		sum += r.Probability
	}
	if sum > 1+1e-9 {
		panic(fmt.Sprintf("fault: Random: the probabilities add up to %v, more than 1", sum))
	}
	var mu sync.Mutex
	source := rand.New(rand.NewPCG(seed, 0))
	return func(*http.Request) Fault {
		mu.Lock()
		u := source.Float64()
		mu.Unlock()
		for _, r := range rules {
			if u < r.Probability {
				return r.Fault
			}
			u -= r.Probability
		}
		return Fault{}
	}
}
