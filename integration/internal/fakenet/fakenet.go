// Package fakenet stands in for the internet in the tests of docs/sdks.md: every connection of
// http.DefaultTransport leads to one server inside the process, over a net.Pipe, so that SDKs run
// with their real addresses and, in a synctest bubble, with their real waits.
package fakenet

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Request records a request that a server was sent.
type Request struct {
	Method, Host, Path string
	Header             http.Header
	Body               string
}

// Server records its requests, and fails the first of them.
type Server struct {
	fail     http.HandlerFunc
	answer   http.HandlerFunc
	failures int
	mu       sync.Mutex
	requests []Request
}

// Always is the number of failures of a server that never recovers.
const Always = 1 << 30

// Serve makes a server that serves the first requests by fail and the others by answer, and puts
// it behind http.DefaultTransport until the test ends.
func Serve(t *testing.T, failures int, fail, answer http.HandlerFunc) *Server {
	t.Helper()
	s := &Server{failures: failures, fail: fail, answer: answer}
	l := Listen()
	server := &http.Server{Handler: s}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	before := http.DefaultTransport
	transport := &http.Transport{DialContext: l.Dial, DialTLSContext: l.Dial}
	http.DefaultTransport = transport
	t.Cleanup(func() {
		http.DefaultTransport = before
		transport.CloseIdleConnections()
		_ = server.Close()
		<-done
	})
	return s
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.requests = append(s.requests, Request{r.Method, r.Host, r.URL.Path, r.Header.Clone(), string(body)})
	n := len(s.requests)
	s.mu.Unlock()
	if n <= s.failures {
		s.fail(w, r)
		return
	}
	s.answer(w, r)
}

// Requests returns what the server has seen.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Same requires that all requests are one: of the same bytes.
func (s *Server) Same(t *testing.T) {
	t.Helper()
	for _, r := range s.Requests() {
		require.Equal(t, s.Requests()[0].Body, r.Body)
	}
}

// Answer makes a handler of a status and a body of JSON.
func Answer(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// Reset breaks the connection instead of an answer.
func Reset(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// Listener accepts the connections that its Dial makes.
type Listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Listen makes a Listener.
func Listen() *Listener {
	return &Listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// Dial connects to the listener, whatever the address.
func (l *Listener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return conn{here}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
}

// conn is a connection whose end is a reset.
type conn struct{ net.Conn }

func (c conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if errors.Is(err, io.EOF) {
		err = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	return n, err
}
