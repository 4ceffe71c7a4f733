package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// script is a RoundTripper that answers as it is told and remembers what it was sent.
type script struct {
	answer func(n int, req *http.Request) (*http.Response, error) // n from 1

	mu     sync.Mutex
	times  []time.Time
	bodies []string
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.times = append(s.times, time.Now())
	n := len(s.times)
	s.mu.Unlock()
	if req.Body != nil {
		b, _ := io.ReadAll(req.Body)
		_ = req.Body.Close()
		s.mu.Lock()
		s.bodies = append(s.bodies, string(b))
		s.mu.Unlock()
	}
	return s.answer(n, req)
}

func (s *script) sent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
}

// wantSent checks how many attempts were sent.
func (s *script) wantSent(n int) error {
	if got := s.sent(); got != n {
		return fmt.Errorf("sent %d times, not %d", got, n)
	}
	return nil
}

// gap returns the time between the first two attempts.
func (s *script) gap() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.times) < 2 {
		return 0
	}
	return s.times[1].Sub(s.times[0])
}

// statuses answers with one status after the other, the last one for ever.
func statuses(codes ...int) *script {
	return &script{answer: func(n int, req *http.Request) (*http.Response, error) {
		return response(req, codes[min(n, len(codes))-1]), nil
	}}
}

func response(req *http.Request, code int) *http.Response {
	body := fmt.Sprintf("this is a %d", code)
	return &http.Response{
		StatusCode: code, Status: fmt.Sprintf("%d %s", code, http.StatusText(code)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: req,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// over returns the library's transport over base, or the reason why there is none.
func (l *library) over(r rules, base http.RoundTripper) (http.RoundTripper, error) {
	if l.http == nil {
		return nil, notApplicable("it does not retry HTTP requests")
	}
	return l.http(r, base), nil
}

// fetch makes a request over the library's transport.
func (l *library) fetch(r rules, base http.RoundTripper, req *http.Request) (*http.Response, error) {
	rt, err := l.over(r, base)
	if err != nil {
		return nil, err
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("no response: %w", err)
	}
	return resp, nil
}

func get() *http.Request { return request(http.MethodGet, nil) }

func post(body string) *http.Request { return request(http.MethodPost, bytes.NewReader([]byte(body))) }

// repeatable marks the request as one that may have its effect twice.
func repeatable(req *http.Request) *http.Request {
	req.Header.Set("Idempotency-Key", "4711")
	return req
}

func request(method string, body io.Reader) *http.Request {
	req, err := http.NewRequest(method, memoryURL, body)
	if err != nil {
		panic(err)
	}
	return req
}

// wantStatus reads the body and checks the status.
func wantStatus(resp *http.Response, code int) error {
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	switch {
	case resp.StatusCode != code:
		return fmt.Errorf("the answer is a %d, not the %d", resp.StatusCode, code)
	case err != nil:
		return fmt.Errorf("the body of the %d: %w", code, err)
	case len(b) == 0:
		return fmt.Errorf("the body of the %d is gone", code)
	}
	return nil
}

// first returns the first error that is not nil.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

var errReset = errors.New("read: connection reset by peer")
