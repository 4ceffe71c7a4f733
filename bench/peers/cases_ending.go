package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"syscall"
	"time"
)

// endingCases returns those of calls that must end at once, or must not, for a reason outside the
// answer.
func endingCases() []testCase {
	return []testCase{
		{name: "a caller who cancels by Request.Cancel is not answered with a retry", run: cancelledOtherwise},
		{name: "a context that has ended reaches no server", run: endedContext},
		{name: "a POST into a black hole, under an attempt timeout, is sent again", run: blackHole},
		{name: "a TLS handshake that the server breaks off with internal_error is retried", run: handshakeAlert},
		{name: "a proxy that answers CONNECT with 403 is asked once", run: proxyRefuses},
		{name: "a proxy that answers CONNECT with 503 is asked again, for a POST too", run: proxyIsBusy},
		{name: "PROPFIND, REPORT and MKCOL are idempotent by IANA's registry, and retried", run: registeredMethods},
		{name: "a connection that was upgraded is handed over, and stays open", run: upgraded},
		{name: "the error of a POST whose connection was lost is the one that net/http returned", run: errorIdentity},
		{name: "20 answers of 503 that say gzip and stall leave no connection behind", run: gzipStalls},
		{name: "a Do around HTTP requests, of the same library, does not multiply its retries", run: nestedLayers},
		{name: "30 answers of \"not found\" as errors do not use up the budget", run: notFoundIsNoFailure},
	}
}

func cancelledOtherwise(l *library) error {
	if l.client != nil {
		return notApplicable("it does not take an http.Request")
	}
	s := newSite(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	defer s.Close()
	base := pooled()
	defer base.CloseIdleConnections()
	c := counted(base)
	rt, err := l.over(brief, c)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodGet, s.URL, nil)
	if err != nil {
		return err
	}
	cancel := make(chan struct{})
	//lint:ignore SA1019 some users have it
	req.Cancel = cancel
	time.AfterFunc(100*time.Millisecond, func() { close(cancel) })
	if _, err := rt.RoundTrip(req); err == nil {
		return errors.New("no error")
	}
	return c.wantSent(1)
}

func endedContext(l *library) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if l.http != nil {
		s := statuses(200)
		rt := l.http(brief, s)
		resp, err := rt.RoundTrip(get().WithContext(ctx))
		if err == nil {
			_ = resp.Body.Close()
		}
		return s.wantSent(0)
	}
	do, err := l.doer(brief)
	if err != nil {
		return err
	}
	sent := 0
	_ = do(ctx, func(context.Context) error { sent++; return errDown })
	if sent > 0 {
		return fmt.Errorf("sent %d times", sent)
	}
	return nil
}

func blackHole(l *library) error {
	if l.http != nil && !l.attemptTimeout {
		return notApplicable("it has no attempt timeout")
	}
	s := newSite(answering(200))
	defer s.Close()
	var dials atomic.Int64
	base := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dials.Add(1) > 1 {
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
		<-ctx.Done() // nobody answers the SYN
		return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
	}}
	defer base.CloseIdleConnections()
	req := post("transfer")
	req.URL.Host = s.Listener.Addr().String()
	resp, err := l.fetch(rules{attempts: 3, delay: time.Millisecond, timeout: time.Second}, base, req)
	if err != nil {
		return err
	}
	return wantStatus(resp, 200)
}

// internalError is a TLS alert: fatal, internal_error.
var internalError = []byte{21, 3, 3, 0, 2, 2, 80}

// breaksOff is a listener whose first connection is answered with an alert.
type breaksOff struct {
	net.Listener
	done bool
}

// Accept returns the second connection and those after it.
func (b *breaksOff) Accept() (net.Conn, error) {
	conn, err := b.Listener.Accept()
	if err != nil || b.done {
		return conn, err
	}
	b.done = true
	_, _ = conn.Read(make([]byte, 4096)) // the ClientHello
	_, _ = conn.Write(internalError)
	_ = conn.Close()
	return b.Listener.Accept()
}

func handshakeAlert(l *library) error {
	s := newSiteOf(siteKind{tls: true, answer: answering(200)})
	defer s.Close()
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: answering(200), TLSConfig: s.TLS}
	go func() { _ = server.Serve(tls.NewListener(&breaksOff{Listener: raw}, s.TLS)) }()
	defer server.Close()
	base := s.pool()
	defer base.CloseIdleConnections()
	req, err := http.NewRequest(http.MethodGet, "https://"+raw.Addr().String(), nil)
	if err != nil {
		return err
	}
	resp, err := l.fetch(brief, base, req)
	if err != nil {
		return err
	}
	return wantStatus(resp, 200)
}

// proxied sends a POST through a proxy that answers CONNECT with a status, and returns how often
// it was asked.
func proxied(l *library, status int) (asked int64, err error) {
	s := newSite(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	defer s.Close()
	proxy, err := url.Parse(s.URL)
	if err != nil {
		return 0, err
	}
	base := &http.Transport{Proxy: http.ProxyURL(proxy)}
	defer base.CloseIdleConnections()
	req := post("transfer")
	req.URL.Scheme, req.URL.Host = "https", "inventory.test"
	resp, err := l.fetch(brief, base, req)
	if err == nil {
		_ = resp.Body.Close()
		return 0, errors.New("no error")
	}
	if errors.As(err, new(notApplicable)) {
		return 0, err
	}
	return s.requests.Load(), nil
}

func proxyRefuses(l *library) error { return askedProxy(l, http.StatusForbidden, 1) }
func proxyIsBusy(l *library) error  { return askedProxy(l, http.StatusServiceUnavailable, 3) }

func askedProxy(l *library, status int, want int64) error {
	got, err := proxied(l, status)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("asked %d times, not %d", got, want)
	}
	return nil
}

func registeredMethods(l *library) error {
	for _, method := range []string{"PROPFIND", "REPORT", "MKCOL"} {
		s := statuses(502, 200)
		resp, err := l.fetch(brief, s, request(method, nil))
		if err != nil {
			return err
		}
		if err := wantStatus(resp, 200); err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
	}
	return nil
}

func upgraded(l *library) error {
	s := newSite(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(conn, conn)
	})
	defer s.Close()
	base := pooled()
	rt, err := l.over(brief, base)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), shortly)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	return within(shortly, func() error {
		resp, err := rt.RoundTrip(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.Request != nil && resp.Request.Header.Get("Request-Timeout") != "" {
			return errors.New("the deadline of the handshake travels, and cuts the conversation off")
		}
		conn, ok := resp.Body.(io.ReadWriter)
		if !ok {
			return fmt.Errorf("the body is a %T, which cannot be written to", resp.Body)
		}
		got := make([]byte, 5)
		if _, err := io.WriteString(conn, "hello"); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
			return fmt.Errorf("got %q back: %w", got, err)
		}
		return nil
	})
}

func errorIdentity(l *library) error {
	base := roundTripper(func(req *http.Request) (*http.Response, error) {
		_, _ = io.Copy(io.Discard, req.Body)
		return nil, io.EOF // what net/http returns when the server closes without an answer
	})
	rt, err := l.over(brief, base)
	if err != nil {
		return err
	}
	_, err = (&http.Client{Transport: rt}).Do(post("transfer"))
	var outer *url.Error
	if !errors.As(err, &outer) || outer.Err != io.EOF { //nolint:errorlint // clients compare like this
		return fmt.Errorf("a client that compares with io.EOF sees %w", err)
	}
	return nil
}

func gzipStalls(l *library) error {
	var n atomic.Int64
	s := newSite(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%2 == 0 {
			_, _ = w.Write(page)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Length", "100000")
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	defer s.Close()
	base := pooled()
	rt, err := l.over(brief, base)
	if err != nil {
		return err
	}
	return within(caseTime*2/3, func() error {
		for range 20 {
			req, err := http.NewRequest(http.MethodGet, s.URL, nil)
			if err != nil {
				return err
			}
			resp, err := rt.RoundTrip(req)
			if err != nil {
				return err
			}
			if err := wantStatus(resp, 200); err != nil {
				return err
			}
		}
		base.CloseIdleConnections()
		for range 500 {
			if s.open.Load() == 0 {
				return nil
			}
			time.Sleep(10 * time.Millisecond)
		}
		return fmt.Errorf("%d connections are still open", s.open.Load())
	})
}

func nestedLayers(l *library) error {
	do, err := l.doer(brief)
	if err != nil {
		return err
	}
	s := statuses(502)
	rt, err := l.over(brief, s)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: rt}
	err = do(context.Background(), func(ctx context.Context) error {
		resp, err := client.Do(get().WithContext(ctx))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode >= 500 {
			return errors.New(resp.Status)
		}
		return nil
	})
	if err == nil {
		return errors.New("no error")
	}
	return s.wantSent(3)
}

var (
	errNotFound = errors.New("no such row")
	errCut      = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
)

func notFoundIsNoFailure(l *library) error {
	if l.budgeted == nil {
		return notApplicable("it has no budget over all calls, or none that this program has an adapter for")
	}
	do, _ := l.budgeted(thrice)
	for range 30 {
		_ = do(context.Background(), func(context.Context) error { return errNotFound })
	}
	sent := 0
	err := do(context.Background(), func(context.Context) error {
		if sent++; sent == 1 {
			return errCut
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("a failure afterwards is not retried: %w", err)
	}
	return nil
}
