package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"
)

// site is an HTTP server on the loopback interface that counts its connections. It runs in this
// process, so that processor time per request is the client's and the server's together.
type site struct {
	*httptest.Server
	requests atomic.Int64
	opened   atomic.Int64
	open     atomic.Int64
}

func newSite(h http.HandlerFunc) *site {
	s := new(site)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		h(w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.opened.Add(1)
			s.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			s.open.Add(-1)
		}
	}
	s.Start()
	return s
}

// pooled returns a Transport that keeps a connection for each caller.
func pooled() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: 4 * callers, MaxIdleConns: 4 * callers}
}

// siteCell sends GETs to a site of its own from 16 callers.
func siteCell(library string, answer http.HandlerFunc, want int, wrap func(http.RoundTripper) http.RoundTripper) cell {
	return cell{library: library, bare: wrap == nil, budget: library == evenkeel, setup: func() rig {
		s, base := newSite(answer), pooled()
		client := &http.Client{Transport: base}
		if wrap != nil {
			client.Transport = wrap(base)
		}
		var well, failed, broken atomic.Int64
		get := func() {
			resp, err := client.Get(s.URL)
			if err != nil {
				broken.Add(1)
				return
			}
			if resp.StatusCode == http.StatusOK {
				well.Add(1)
			} else {
				failed.Add(1)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		r := rig{
			run: func(n int) { concurrently(n, get) },
			check: func() error {
				if n := broken.Load(); n > 0 {
					return fmt.Errorf("%d calls got no response", n)
				}
				return nil
			},
			answered: func() float64 { return float64(well.Load()) / float64(max(1, well.Load()+failed.Load())) },
			close:    func() error { return s.end(base) },
		}
		if want > 0 {
			r.sent = func() int { return int(s.requests.Load()) }
		}
		return r
	}}
}

// end closes idle connections and says whether any is left, or whether there were more than
// callers can use: each that was opened beyond that was lost by a call.
func (s *site) end(base *http.Transport) error {
	base.CloseIdleConnections()
	for range 1000 { // they close in their own time
		if s.open.Load() == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	left, opened := s.open.Load(), s.opened.Load()
	s.CloseClientConnections()
	s.Close()
	if left > 0 || opened > 4*callers {
		return &leakError{left, opened}
	}
	return nil
}

// leakError is a finding and no mistake of the measurement.
type leakError struct{ left, opened int64 }

func (e *leakError) Error() string {
	return fmt.Sprintf("opened %d connections for %d callers, and left %d open", e.opened, callers, e.left)
}

func siteWork(w *work, answer http.HandlerFunc) *work {
	for _, l := range libraries() {
		if l.http != nil {
			w.cells = append(w.cells, siteCell(l.name, answer, w.attempts, func(base http.RoundTripper) http.RoundTripper {
				return l.http(thrice, base)
			}))
		}
	}
	w.cells = append(w.cells, siteCell("bare", answer, w.attempts, nil))
	w.paired, w.cpu, w.span = true, true, e2eSpan
	return w
}

var page = make([]byte, 512)

func httpE2E() *work {
	return siteWork(&work{
		name: "http/e2e", what: "GETs over loopback TCP from 16 callers, all well", attempts: 1,
	}, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(page) })
}
