package httpx_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/httpx/fault"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// flakyEcho starts a server of which 30 % of the answers fail, and counts its open connections.
func flakyEcho(t *testing.T) (s *httptest.Server, open *atomic.Int32) {
	open = new(atomic.Int32)
	s = httptest.NewUnstartedServer(fault.Handler(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }),
		fault.Random(1,
			fault.Rule{Probability: .10, Fault: fault.Fault{Status: 503, Body: "busy"}},
			fault.Rule{Probability: .08, Fault: fault.Fault{Status: 500}},
			fault.Rule{Probability: .04, Fault: fault.Fault{Reset: true}},
			fault.Rule{Probability: .04, Fault: fault.Fault{Partial: 3}},
			fault.Rule{Probability: .04, Fault: fault.Fault{Latency: time.Millisecond}},
		),
	))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s, open
}

// settle waits until no connection is open, and returns what is left.
func settle(t *testing.T, open *atomic.Int32) (goroutines int, heap uint64) {
	require.Eventually(t, func() bool { return open.Load() == 0 }, time.Minute, 10*time.Millisecond, "connections are open")
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), m.HeapAlloc
}

// TestLeak_ManyCallsLeakNothing makes 10^5 calls under one long-lived cancellable
// parent, 30 % of whose attempts fail, and wants connections, goroutines and heap to be what they
// were. (Timers and contexts are on the heap.)
func TestLeak_ManyCallsLeakNothing(t *testing.T) {
	calls := 100_000
	if testing.Short() || underRace { // the detector takes minutes for as many
		calls = 5_000
	}
	s, open := flakyEcho(t)
	base := &http.Transport{MaxIdleConnsPerHost: 16}
	p := policy(t, func(c *retry.Config) {
		c.Budget = budget.Unlimited{}
		c.AttemptTimeout = timeout.Fixed(time.Minute)
		c.Hedge = timeout.Fixed(time.Millisecond)
	})
	plain := policy(t, func(c *retry.Config) { c.Budget = budget.Unlimited{} })
	clients := []*http.Client{
		{Transport: httpx.NewTransport(base, p)},
		{Transport: httpx.NewTransport(base, plain), Timeout: time.Minute},
		{Transport: httpx.NewTransport(base, plain)},
	}
	parent, cancel := context.WithCancel(context.Background())
	defer cancel()
	run := func(n int) (failed int64) {
		var left, bad atomic.Int64
		left.Store(int64(n))
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() {
				for i := left.Add(-1); i >= 0; i = left.Add(-1) {
					req, _ := http.NewRequestWithContext(parent, http.MethodPut, s.URL, bytes.NewReader([]byte("hello, world")))
					resp, err := clients[i%3].Do(req)
					if err != nil {
						bad.Add(1)
						continue
					}
					if i%7 != 0 { // some are closed unread
						_, _ = io.Copy(io.Discard, resp.Body)
					}
					resp.Body.Close()
				}
			})
		}
		callers.Wait()
		base.CloseIdleConnections()
		return bad.Load()
	}
	run(1000)
	goroutines, heap := settle(t, open)
	failed := run(calls)
	require.Less(t, failed, int64(calls/50), "three attempts at 8 %% lost connections")
	after, heapAfter := settle(t, open)
	for range 600 { // connections close in their own time, and so do the goroutines that served them
		if after <= goroutines {
			break
		}
		time.Sleep(100 * time.Millisecond)
		after, heapAfter = settle(t, open)
	}
	require.LessOrEqual(t, after, goroutines, "goroutines")
	require.Less(t, heapAfter, heap+1<<20, "heap")
}
