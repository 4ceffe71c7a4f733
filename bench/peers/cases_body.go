package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// brief is three attempts with a short wait.
var brief = rules{attempts: 3, delay: 2 * time.Millisecond}

func bodyCases() []testCase {
	return []testCase{
		{name: "503, 503, 200 need one connection", run: oneConnection},
		{name: "a replayed POST brings identical bytes", run: identicalBytes},
		{name: "a body without GetBody is streamed and sent once, and its answer returned", run: streamedOnce},
		{name: "the caller's request is the same afterwards", run: requestUnchanged},
		{name: "500 three times: the last response, its body readable, no error", run: lastResponse},
		{name: "idle connections survive a call that failed three times", run: idleSurvive},
		{name: "an error body that stalls does not stall the retry", run: stalledBody},
		{name: "512 KiB are read slowly after a retry, with an attempt timeout", run: slowlyRead},
		{name: "http.Client.Timeout spans all attempts and says that it was the timeout", run: clientTimeout},
	}
}

func answering(codes ...int) http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, _ *http.Request) {
		i := min(int(n.Add(1)), len(codes))
		w.WriteHeader(codes[i-1])
		_, _ = io.WriteString(w, strings.Repeat("x", 2000))
	}
}

func oneConnection(l *library) error {
	s := newSite(answering(503, 503, 200))
	defer s.Close()
	base := pooled()
	defer base.CloseIdleConnections()
	req, err := http.NewRequest(http.MethodGet, s.URL, nil)
	if err != nil {
		return err
	}
	resp, err := l.fetch(brief, base, req)
	if err != nil {
		return err
	}
	if err := wantStatus(resp, 200); err != nil {
		return err
	}
	if n := s.opened.Load(); n != 1 {
		return fmt.Errorf("%d connections", n)
	}
	return nil
}

func identicalBytes(l *library) error {
	s, body := statuses(503, 503, 200), strings.Repeat("body ", 100)
	resp, err := l.fetch(brief, s, repeatable(post(body)))
	if err != nil {
		return err
	}
	if !slices.Equal(s.bodies, []string{body, body, body}) {
		return fmt.Errorf("bodies of %d attempts differ", len(s.bodies))
	}
	return wantStatus(resp, 200)
}

// watched is a body that tells how much was read of it before the first attempt was under way.
type watched struct {
	left  int
	begun bool
	early int
}

func (w *watched) Read(p []byte) (int, error) {
	if w.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), w.left)
	w.left -= n
	if !w.begun {
		w.early += n
	}
	return n, nil
}

func (w *watched) Close() error { return nil }

func streamedOnce(l *library) error {
	body := &watched{left: 1 << 20}
	s := statuses(503)
	base := roundTripper(func(req *http.Request) (*http.Response, error) {
		body.begun = true
		return s.RoundTrip(req)
	})
	req := repeatable(request(http.MethodPost, body))
	req.GetBody = nil
	resp, err := l.fetch(brief, base, req)
	if body.early > 0 {
		return fmt.Errorf("%d bytes were read into memory before the first attempt", body.early)
	}
	if err != nil {
		return err
	}
	return first(s.wantSent(1), wantStatus(resp, 503))
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func requestUnchanged(l *library) error {
	req := repeatable(post("some body"))
	before, header, ctx := *req, maps.Clone(req.Header), req.Context()
	resp, err := l.fetch(brief, statuses(503, 200), req)
	if err != nil {
		return err
	}
	switch {
	case req.Body != before.Body:
		return errors.New("another Body")
	case !maps.EqualFunc(req.Header, header, slices.Equal):
		return fmt.Errorf("other headers: %v", req.Header)
	case req.Context() != ctx || req.URL != before.URL || req.ContentLength != before.ContentLength:
		return errors.New("another context, URL or length")
	}
	return wantStatus(resp, 200)
}

func lastResponse(l *library) error {
	s := statuses(500)
	resp, err := l.fetch(brief, s, get())
	if err != nil {
		return err
	}
	return first(s.wantSent(3), wantStatus(resp, 500))
}

func idleSurvive(l *library) error {
	s := newSite(answering(200, 500, 500, 500, 200))
	defer s.Close()
	base := pooled()
	defer base.CloseIdleConnections()
	rt, err := l.over(brief, base)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: rt}
	for range 3 {
		resp, err := client.Get(s.URL)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	if n := s.opened.Load(); n != 1 {
		return fmt.Errorf("%d connections", n)
	}
	return nil
}

// stalled is a body that sends nothing until it is closed.
type stalled struct {
	closed chan struct{}
	once   atomic.Bool
}

func (s *stalled) Read([]byte) (int, error) {
	select {
	case <-s.closed:
	case <-time.After(caseTime):
	}
	return 0, io.ErrUnexpectedEOF
}

func (s *stalled) Close() error {
	if !s.once.Swap(true) {
		close(s.closed)
	}
	return nil
}

func stalledBody(l *library) error {
	s := statuses(503, 200)
	answer := s.answer
	s.answer = func(n int, req *http.Request) (*http.Response, error) {
		resp, err := answer(n, req)
		if n == 1 {
			resp.Body, resp.ContentLength = &stalled{closed: make(chan struct{})}, -1
		}
		return resp, err
	}
	if _, err := l.over(brief, s); err != nil {
		return err
	}
	return within(caseTime/2, func() error {
		resp, err := l.fetch(brief, s, get())
		if err != nil {
			return err
		}
		return wantStatus(resp, 200)
	})
}

// slowlyTime is what an attempt may take, on a busy machine too.
const slowlyTime = 3 * time.Second

func slowlyRead(l *library) error {
	const size = 512 << 10
	var n atomic.Int64
	s := newSite(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			w.WriteHeader(503)
			return
		}
		_, _ = w.Write(make([]byte, size))
	})
	defer s.Close()
	base := pooled()
	defer base.CloseIdleConnections()
	if l.http != nil && !l.attemptTimeout {
		return notApplicable("it has no attempt timeout")
	}
	req, err := http.NewRequest(http.MethodGet, s.URL, nil)
	if err != nil {
		return err
	}
	resp, err := l.fetch(rules{attempts: 3, delay: time.Millisecond, timeout: slowlyTime}, base, req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	time.Sleep(slowlyTime + slowlyTime/4) // longer than the attempt may take to answer
	got, err := io.Copy(io.Discard, resp.Body)
	if err != nil || got != size {
		return fmt.Errorf("%d bytes of %d arrived: %w", got, size, err)
	}
	return nil
}

func clientTimeout(l *library) error {
	s := statuses(503)
	answer := s.answer
	s.answer = func(n int, req *http.Request) (*http.Response, error) {
		if n == 1 {
			return answer(n, req)
		}
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	rt, err := l.over(rules{attempts: 3, delay: 10 * time.Millisecond}, s)
	if err != nil {
		return err
	}
	start := time.Now()
	_, err = (&http.Client{Transport: rt, Timeout: 2 * time.Second}).Get(memoryURL)
	var timed interface{ Timeout() bool }
	switch took := time.Since(start); {
	case err == nil:
		return errors.New("no error")
	case took > 15*time.Second:
		return fmt.Errorf("it took %v", took.Round(time.Millisecond))
	case !errors.As(err, &timed) || !timed.Timeout():
		return fmt.Errorf("it does not say so: %w", err)
	case !errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no DeadlineExceeded: %w", err)
	}
	return nil
}
