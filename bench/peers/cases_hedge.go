package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// hedged is two attempts, the second after 30 ms.
var hedged = rules{attempts: 2, delay: time.Millisecond, hedge: 30 * time.Millisecond}

// slow is what the slow attempt takes: much longer than a busy machine is late with the other.
const slow = 2 * time.Second

func hedgeCases() []testCase {
	return []testCase{
		{name: "hedging: a fast 503 and a slower 200: the 200 wins", run: fast503},
		{name: "hedging: a fast 404 and a slower 200: the 404 is the answer", run: fast404},
		{name: "hedging: each attempt of a POST reads its own copy of the body", run: hedgedPost},
		{name: "hedging: a first attempt that fails before the delay: the next starts at once", run: failsBeforeDelay},
		{name: "hedging: the loser that answers late is closed", run: loserClosed},
		{name: "hedging: the winner's body can be read when the other is cancelled", run: winnerReadable},
		{name: "hedging: retries and hedges of one call stay within its attempts", run: withinAttempts},
	}
}

func (l *library) hedge(r rules, base http.RoundTripper) (http.RoundTripper, error) {
	if l.hedging == nil {
		return nil, notApplicable("it does not hedge HTTP requests")
	}
	return l.hedging(r, base), nil
}

// pause waits, or until the request's context ends.
func pause(req *http.Request, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-req.Context().Done():
		return req.Context().Err()
	}
}

// slowFirst answers the first attempt with a 200 after a while, and others with a code at once.
func slowFirst(code int) *script {
	return &script{answer: func(n int, req *http.Request) (*http.Response, error) {
		if n > 1 {
			return response(req, code), nil
		}
		if err := pause(req, slow); err != nil {
			return nil, err
		}
		return response(req, 200), nil
	}}
}

func hedgedFetch(l *library, r rules, s http.RoundTripper, req *http.Request) (*http.Response, error) {
	rt, err := l.hedge(r, s)
	if err != nil {
		return nil, err
	}
	return rt.RoundTrip(req)
}

func fast503(l *library) error {
	resp, err := hedgedFetch(l, hedged, slowFirst(503), get())
	if err != nil {
		return err
	}
	return wantStatus(resp, 200)
}

func fast404(l *library) error {
	start := time.Now()
	resp, err := hedgedFetch(l, hedged, slowFirst(404), get())
	if err != nil {
		return err
	}
	if took := time.Since(start); took > slow-slow/8 {
		return fmt.Errorf("it took %v", took.Round(time.Millisecond))
	}
	return wantStatus(resp, 404)
}

// guarded is a body whose reads are safe from two attempts that share it by mistake.
type guarded struct {
	mu sync.Mutex
	r  io.Reader
}

func (g *guarded) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	time.Sleep(5 * time.Millisecond)
	return g.r.Read(p[:min(len(p), 100)])
}

func (g *guarded) Close() error { return nil }

func hedgedPost(l *library) error {
	body := strings.Repeat("body ", 200) // ten reads: the second attempt starts in the middle
	req := repeatable(request(http.MethodPost, nil))
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return &guarded{r: strings.NewReader(body)}, nil }
	req.Body, _ = req.GetBody()
	s := &script{answer: func(_ int, req *http.Request) (*http.Response, error) {
		if err := pause(req, slow); err != nil {
			return nil, err
		}
		return response(req, 200), nil
	}}
	resp, err := hedgedFetch(l, hedged, s, req)
	if err != nil {
		return err
	}
	if err := wantStatus(resp, 200); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.bodies, body) || len(s.times) != 2 {
		return fmt.Errorf("%d attempts, the lengths of their bodies: %v", len(s.times), lengths(s.bodies))
	}
	for _, got := range s.bodies {
		if got != body {
			return fmt.Errorf("the lengths of the attempts' bodies: %v, not %d", lengths(s.bodies), len(body))
		}
	}
	return nil
}

func lengths(s []string) (n []int) {
	for _, s := range s {
		n = append(n, len(s))
	}
	return n
}

func failsBeforeDelay(l *library) error {
	s := &script{answer: func(n int, req *http.Request) (*http.Response, error) {
		if n == 1 {
			return nil, errReset
		}
		return response(req, 200), nil
	}}
	r := rules{attempts: 2, delay: time.Millisecond, hedge: 20 * time.Second}
	start := time.Now()
	resp, err := hedgedFetch(l, r, s, get())
	if err != nil {
		return err
	}
	if took := time.Since(start); took > 15*time.Second {
		return fmt.Errorf("it took %v", took.Round(time.Millisecond))
	}
	return wantStatus(resp, 200)
}

// closing counts that it was closed.
type closing struct {
	io.Reader
	closed *atomic.Int64
	once   atomic.Bool
}

func (c *closing) Close() error {
	if !c.once.Swap(true) {
		c.closed.Add(1)
	}
	return nil
}

func loserClosed(l *library) error {
	var closed atomic.Int64
	s := &script{answer: func(n int, req *http.Request) (*http.Response, error) {
		if n == 1 {
			time.Sleep(slow) // it does not notice that it is cancelled
		}
		resp := response(req, 200)
		resp.Body = &closing{Reader: resp.Body, closed: &closed}
		return resp, nil
	}}
	resp, err := hedgedFetch(l, hedged, s, get())
	if err != nil {
		return err
	}
	if err := wantStatus(resp, 200); err != nil {
		return err
	}
	for start := time.Now(); time.Since(start) < 2*slow; {
		if closed.Load() == 2 {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("%d of 2 responses were closed", closed.Load())
}

func winnerReadable(l *library) error {
	s := newSite(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Slow") != "" {
			time.Sleep(slow)
		}
		_, _ = w.Write(make([]byte, 256<<10))
	})
	defer s.Close()
	base := pooled()
	defer base.CloseIdleConnections()
	var n atomic.Int64
	rt, err := l.hedge(hedged, roundTripper(func(req *http.Request) (*http.Response, error) {
		if n.Add(1) == 1 {
			req = req.Clone(req.Context())
			req.Header.Set("Slow", "1")
		}
		return base.RoundTrip(req)
	}))
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodGet, s.URL, nil)
	if err != nil {
		return err
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	time.Sleep(50 * time.Millisecond) // the loser is cancelled by now
	got, err := io.Copy(io.Discard, resp.Body)
	if err != nil || got != 256<<10 {
		return fmt.Errorf("%d bytes of %d: %w", got, 256<<10, err)
	}
	return nil
}

func withinAttempts(l *library) error {
	s := &script{answer: func(_ int, req *http.Request) (*http.Response, error) {
		if err := pause(req, 40*time.Millisecond); err != nil {
			return nil, err
		}
		return response(req, 503), nil
	}}
	r := rules{attempts: 3, delay: time.Millisecond, hedge: 10 * time.Millisecond}
	rt, err := l.hedge(r, s)
	if err != nil {
		return err
	}
	resp, err := rt.RoundTrip(get())
	if err == nil {
		_ = resp.Body.Close()
	}
	time.Sleep(20 * time.Millisecond)
	if n := s.sent(); n > 3 {
		return fmt.Errorf("sent %d times with 3 attempts", n)
	}
	if n := s.sent(); n < 2 {
		return errors.New("it never sent another")
	}
	return nil
}
