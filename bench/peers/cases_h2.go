package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// h2Cases returns those of HTTP/2 and of bodies below the library.
func h2Cases() []testCase {
	return []testCase{
		{name: "HTTP/2 gives the stream up while the request's body blocks in Read: the call returns", run: resetWhileBlocked},
		{name: "a RoundTripper below that calls GetBody, to sign, leaves the attempt's body whole", run: getBodyBelow},
		{name: "an attempt timeout over HTTP/2 is a timeout and no cancellation", run: h2AttemptTimeout},
		{name: "a GOAWAY for INADEQUATE_SECURITY or HTTP_1_1_REQUIRED is not retried", run: goAwayForGood},
		{name: "50 calls on an HTTP/2 connection that is cut are all saved", run: burstSaved},
	}
}

// shortly bounds what must not hang, with time for a busy machine.
const shortly = caseTime / 3

func resetWhileBlocked(l *library) error {
	s := newSiteOf(siteKind{tls: true, http2: true, answer: func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler) // RST_STREAM
	}})
	defer s.Close()
	base := s.pool()
	defer base.CloseIdleConnections()
	rt, err := l.over(brief, base)
	if err != nil {
		return err
	}
	body, writer := io.Pipe()
	defer writer.Close()
	req, err := http.NewRequest(http.MethodPost, s.URL, body)
	if err != nil {
		return err
	}
	return within(shortly, func() error {
		resp, err := rt.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
			return errors.New("no error")
		}
		return nil
	})
}

func getBodyBelow(l *library) error {
	const payload = "payload"
	s := statuses(200)
	signer := roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.GetBody == nil {
			return nil, errors.New("a request that could be signed no longer can")
		}
		copied, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		_, _ = io.Copy(io.Discard, copied)
		_ = copied.Close()
		return s.RoundTrip(req)
	})
	req := request(http.MethodPut, nil)
	req.GetBody = func() (io.ReadCloser, error) { return &watchedEnd{left: payload}, nil }
	req.Body, _ = req.GetBody()
	req.ContentLength = int64(len(payload))
	resp, err := l.fetch(brief, signer, req)
	if err != nil {
		return err
	}
	if got := s.bodies; len(got) != 1 || got[0] != payload {
		return fmt.Errorf("the body that arrived is %q", got)
	}
	return wantStatus(resp, 200)
}

// watchedEnd is a body that gives nothing once it is closed, as a file does.
type watchedEnd struct{ left string }

func (w *watchedEnd) Read(p []byte) (int, error) {
	if w.left == "" {
		return 0, io.EOF
	}
	n := copy(p, w.left)
	w.left = w.left[n:]
	return n, nil
}

func (w *watchedEnd) Close() error {
	w.left = ""
	return nil
}

func h2AttemptTimeout(l *library) error {
	if l.http != nil && !l.attemptTimeout {
		return notApplicable("it has no attempt timeout")
	}
	s := newSiteOf(siteKind{tls: true, http2: true, answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }})
	defer s.Close()
	base := s.pool()
	defer base.CloseIdleConnections()
	rt, err := l.over(rules{attempts: 2, timeout: 500 * time.Millisecond}, base)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodGet, s.URL, nil)
	if err != nil {
		return err
	}
	_, err = rt.RoundTrip(req)
	var timed interface{ Timeout() bool }
	switch {
	case err == nil:
		return errors.New("no error")
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("it reads as a cancellation: %w", err)
	case !errors.As(err, &timed) || !timed.Timeout():
		return fmt.Errorf("Timeout() is not true of %w", err)
	}
	return nil
}

// goAwayServer answers the first request of each HTTP/2 connection with a GOAWAY.
func goAwayServer(code http2.ErrCode) (url string, requests *atomic.Int64, end func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, nil, err
	}
	requests = new(atomic.Int64)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go goAway(conn, code, requests)
		}
	}()
	return "http://" + l.Addr().String(), requests, func() { _ = l.Close() }, nil
}

func goAway(conn net.Conn, code http2.ErrCode, requests *atomic.Int64) {
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	framer := http2.NewFramer(conn, conn)
	_ = framer.WriteSettings()
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = framer.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			requests.Add(1)
			_ = framer.WriteGoAway(0, code, nil)
			_, _ = io.Copy(io.Discard, conn) // until the client has read it and goes
			return
		}
	}
}

// h2c returns a Transport that speaks HTTP/2 in clear text.
func h2c() *http.Transport {
	var only http.Protocols
	only.SetUnencryptedHTTP2(true)
	return &http.Transport{Protocols: &only}
}

func goAwayForGood(l *library) error {
	for _, code := range []http2.ErrCode{http2.ErrCodeInadequateSecurity, http2.ErrCodeHTTP11Required} {
		url, requests, end, err := goAwayServer(code)
		if err != nil {
			return err
		}
		defer end()
		base := h2c()
		rt, err := l.over(brief, base)
		if err != nil {
			return err
		}
		req, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if _, err := rt.RoundTrip(req); err == nil {
			return errors.New("no error")
		}
		base.CloseIdleConnections()
		if n := requests.Load(); n != 1 {
			return fmt.Errorf("%v: sent %d times", code, n)
		}
	}
	return nil
}

func burstSaved(l *library) error {
	if l.http == nil {
		return notApplicable("it does not retry HTTP requests")
	}
	r := bursting(func(c *cuttable, g *gate) (func(context.Context) error, func()) { return burstOverHTTP(l, c, g) })
	r.run(1)
	if share := r.answered(); share < 1 {
		return fmt.Errorf("%.0f of %d", share*burstCalls, burstCalls)
	}
	return nil
}
