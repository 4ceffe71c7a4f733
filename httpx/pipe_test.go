package httpx_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// pipeListener is a listener whose connections are net.Pipes, which a synctest bubble can see
// through.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// unencryptedHTTP2 returns the protocols of HTTP/2 without TLS, and nothing else.
func unencryptedHTTP2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// pipeServer serves h over net.Pipes until the test ends, for a client inside the same bubble:
// over HTTP/1, unless told otherwise.
func pipeServer(t testing.TB, h http.Handler, protocols ...*http.Protocols) *http.Transport {
	t.Helper()
	l := newPipeListener()
	server, base := &http.Server{Handler: h}, &http.Transport{DialContext: l.dial}
	for _, p := range protocols {
		server.Protocols, base.Protocols = p, p
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		base.CloseIdleConnections()
		server.Close()
		<-done
		synctest.Wait()
	})
	return base
}

// pipeClient returns a client of a server that answers as h does.
func pipeClient(t testing.TB, h http.HandlerFunc, p *retry.Policy, opts ...httpx.Option) *http.Client {
	t.Helper()
	return &http.Client{Transport: httpx.NewTransport(pipeServer(t, h), p, opts...)}
}

// statuses answers with each in turn, the last for good.
func statuses(codes ...int) http.HandlerFunc {
	var mu sync.Mutex
	n := 0
	return func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		code := codes[min(n, len(codes)-1)]
		n++
		mu.Unlock()
		w.WriteHeader(code)
	}
}
