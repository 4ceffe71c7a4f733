package endpoints_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/test/bufconn"

	"github.com/evenkeel-go/evenkeel/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

const healthy = 10 * time.Millisecond

// server is one server of a fleet. Its behavior may be changed at any time.
type server struct {
	name    string
	calls   atomic.Int64
	does    atomic.Pointer[http.HandlerFunc]
	refuses atomic.Bool
	l       listener
	srv     *http.Server
	served  chan struct{}
}

func (s *server) do(h http.HandlerFunc) { s.does.Store(&h) }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.calls.Add(1)
	w.Header().Set("Server", s.name)
	(*s.does.Load())(w, r)
}

func answers(after time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(after):
			fmt.Fprint(w, "ok")
		case <-r.Context().Done():
		}
	}
}

func fails(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// fleet is several servers that can be dialed as "a:80" and so on.
type fleet struct {
	mu      sync.Mutex
	servers []*server
	dialed  []string
}

func newFleet(t testing.TB, names ...string) *fleet {
	return newFleetOn(t, func() listener { return bufconn.Listen(1 << 16) }, names...)
}

// listener is a net.Listener in memory.
type listener interface {
	net.Listener
	DialContext(ctx context.Context) (net.Conn, error)
}

// pipes is a listener of net.Pipes. Unlike bufconn's its connections may be used by an http.Server
// on a busy machine: a read deadline of bufconn's may pass after it was lifted, and the server
// then closes the connection.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newPipes() listener {
	p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.closed) })
	return p
}

func (p *pipes) DialContext(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.close(); return nil }

func (*pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func newFleetOn(t testing.TB, listen func() listener, names ...string) *fleet {
	f := new(fleet)
	for _, name := range names {
		s := &server{name: name, l: listen(), served: make(chan struct{})}
		s.do(answers(healthy))
		s.srv = &http.Server{Handler: s}
		go func() {
			defer close(s.served)
			_ = s.srv.Serve(s.l)
		}()
		f.servers = append(f.servers, s)
	}
	t.Cleanup(func() {
		for _, s := range f.servers {
			_ = s.srv.Close()
			<-s.served
		}
	})
	return f
}

func (f *fleet) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	f.mu.Lock()
	f.dialed = append(f.dialed, addr)
	f.mu.Unlock()
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(f.servers, func(s *server) bool { return s.name == host })
	if i < 0 || f.servers[i].refuses.Load() {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("refused")}
	}
	return f.servers[i].l.DialContext(ctx)
}

// base returns a transport that dials the fleet.
func (f *fleet) base() *http.Transport { return &http.Transport{DialContext: f.dial} }

func (f *fleet) calls() (n []int64) {
	for _, s := range f.servers {
		n = append(n, s.calls.Load())
	}
	return n
}

// client returns one whose idle connections are closed when the test ends.
func client(t testing.TB, rt http.RoundTripper) *http.Client {
	c := &http.Client{Transport: rt}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// get returns the server that answered, and its status.
func get(c *http.Client, url string) (string, int, error) {
	resp, err := c.Get(url)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.Header.Get("Server"), resp.StatusCode, err
}
