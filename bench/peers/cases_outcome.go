package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"time"
)

func outcomeCases() []testCase {
	return []testCase{
		{name: "an unknown certificate authority is never retried", run: unknownAuthority},
		{name: "an unsupported scheme is never retried", run: unsupportedScheme},
		{name: "501 is not retried", run: notImplemented},
		{name: "429, 502, 503 and 504 are retried", run: retriedStatuses},
		{name: "a POST without a key is sent once, whatever the 500", run: postOn500},
		{name: "a POST with an Idempotency-Key is retried", run: postWithKey},
		{name: "a refused connection is retried, for a POST too", run: refusedPost},
		{name: "cancelled with a cause: the error is context.Canceled and the cause", run: cancelCause},
		{name: "the attempt's timeout is retried, the caller's deadline is not", run: attemptAgain},
		{name: "a server that accepts and hangs up every time is tried three times", run: hangsUp},
	}
}

// counted counts what reaches base.
func counted(base http.RoundTripper) *script {
	return &script{answer: func(_ int, req *http.Request) (*http.Response, error) { return base.RoundTrip(req) }}
}

func unknownAuthority(l *library) error {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	c := counted(pooled())
	req, err := http.NewRequest(http.MethodGet, s.URL, nil)
	if err != nil {
		return err
	}
	return wantOnce(l, c, req)
}

// wantOnce checks that a request that cannot succeed is sent once.
func wantOnce(l *library, c *script, req *http.Request) error {
	rt, err := l.over(brief, c)
	if err != nil {
		return err
	}
	resp, err := rt.RoundTrip(req)
	if err == nil {
		_ = resp.Body.Close()
		return errors.New("no error")
	}
	return c.wantSent(1)
}

func unsupportedScheme(l *library) error {
	req, err := http.NewRequest(http.MethodGet, "gopher://memory.test/", nil)
	if err != nil {
		return err
	}
	return wantOnce(l, counted(pooled()), req)
}

func notImplemented(l *library) error { return wantStatusOnce(l, get(), 501) }

func postOn500(l *library) error { return wantStatusOnce(l, post("transfer"), 500) }

func wantStatusOnce(l *library, req *http.Request, code int) error {
	s := statuses(code)
	resp, err := l.fetch(brief, s, req)
	if once := s.wantSent(1); once != nil && !errors.As(err, new(notApplicable)) {
		return once
	}
	if err != nil {
		return err
	}
	return wantStatus(resp, code)
}

func retriedStatuses(l *library) error {
	for _, code := range []int{429, 502, 503, 504} {
		s := statuses(code, 200)
		resp, err := l.fetch(brief, s, get())
		if err != nil {
			return fmt.Errorf("%d: %w", code, err)
		}
		if err := wantStatus(resp, 200); err != nil {
			return fmt.Errorf("after a %d: %w", code, err)
		}
	}
	return nil
}

func postWithKey(l *library) error {
	s := statuses(500, 200)
	resp, err := l.fetch(brief, s, repeatable(post("transfer")))
	if err != nil {
		return err
	}
	return first(wantStatus(resp, 200), s.wantSent(2))
}

// closedPort returns an address that refuses connections.
func closedPort() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

func refusedPost(l *library) error {
	addr, err := closedPort()
	if err != nil {
		return err
	}
	c := counted(pooled())
	req := post("transfer")
	req.URL.Host = addr
	rt, err := l.over(brief, c)
	if err != nil {
		return err
	}
	if _, err := rt.RoundTrip(req); err == nil {
		return errors.New("no error")
	}
	return c.wantSent(3)
}

// doer returns the library's Do, or the reason why there is none.
func (l *library) doer(r rules) (doer, error) {
	if l.do == nil {
		return nil, notApplicable("it does not retry functions")
	}
	return l.do(r), nil
}

func cancelCause(l *library) error {
	do, err := l.doer(rules{attempts: 3, delay: time.Second})
	if err != nil {
		return err
	}
	cause := errors.New("the user went away")
	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
	err = do(ctx, func(context.Context) error { return errDown })
	switch {
	case err == nil:
		return errors.New("no error")
	case !errors.Is(err, context.Canceled):
		return fmt.Errorf("errors.Is(err, context.Canceled) is false: %w", err)
	case !errors.Is(err, cause):
		return fmt.Errorf("errors.Is(err, cause) is false: %w", err)
	}
	return nil
}

func attemptAgain(l *library) error {
	switch {
	case l.do == nil:
		return notApplicable("it does not retry functions")
	case !l.attemptTimeout:
		return notApplicable("it has no attempt timeout")
	}
	do := l.do(rules{attempts: 3, timeout: 50 * time.Millisecond})
	sent := 0
	err := do(context.Background(), func(ctx context.Context) error {
		if sent++; sent > 1 {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if err != nil || sent != 2 {
		return fmt.Errorf("an attempt that timed out: sent %d times: %w", sent, err)
	}
	do = l.do(rules{attempts: 3, timeout: 10 * time.Second})
	sent = 0
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err = do(ctx, func(ctx context.Context) error {
		sent++
		<-ctx.Done()
		return ctx.Err()
	})
	if err == nil || sent != 1 {
		return fmt.Errorf("the caller's deadline: sent %d times: %w", sent, err)
	}
	return nil
}

func hangsUp(l *library) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	c := counted(pooled())
	req := get()
	req.URL.Host = ln.Addr().String()
	rt, err := l.over(brief, c)
	if err != nil {
		return err
	}
	if _, err := rt.RoundTrip(req); err == nil {
		return errors.New("no error")
	}
	return c.wantSent(3)
}
