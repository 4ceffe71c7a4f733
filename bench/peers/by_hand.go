package main

import (
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// byHand does what a resend requires, and nothing else: a drain that a stalled server cannot hold
// up, a copy of the request with a header map and a body of its own.
type byHand struct{ base http.RoundTripper }

func (b byHand) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.base.RoundTrip(req)
	if err != nil || resp.StatusCode < http.StatusInternalServerError {
		return resp, err
	}
	body := resp.Body
	timer := time.AfterFunc(100*time.Millisecond, func() { body.Close() })
	_, _ = io.CopyN(io.Discard, body, 64<<10)
	timer.Stop()
	_ = body.Close()
	again := *req
	again.Header = maps.Clone(req.Header)
	again.Header["X-Retry-Attempt"] = []string{"2"}
	if req.GetBody != nil {
		if again.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
	}
	return b.base.RoundTrip(&again)
}

// stamping sends the time left to the server, and does nothing else: in a copy of the request with
// a header map of its own.
type stamping struct{ base http.RoundTripper }

func (s stamping) RoundTrip(req *http.Request) (*http.Response, error) {
	deadline, ok := req.Context().Deadline()
	if !ok {
		return s.base.RoundTrip(req)
	}
	stamped := *req
	stamped.Header = maps.Clone(req.Header)
	left := strconv.FormatFloat(time.Until(deadline).Truncate(time.Millisecond).Seconds(), 'f', -1, 64)
	stamped.Header["Request-Timeout"] = []string{left + "s"}
	return s.base.RoundTrip(&stamped)
}
