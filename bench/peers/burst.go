package main

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/evenkeel-go/evenkeel/grpcx"
)

// burstCalls is how many calls are under way when their connection is cut.
const burstCalls = 50

// burstRules gives every library three attempts, 10 ms apart.
var burstRules = rules{attempts: 3, delay: 10 * time.Millisecond}

// listen returns a listener on the loopback interface.
func listen() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

// cuttable is a listener whose connections can be cut.
type cuttable struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

// Accept remembers the connection.
func (c *cuttable) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

// cut closes every connection so far.
func (c *cuttable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

// gate holds the calls of a burst until their connection is cut; later ones pass.
type gate struct {
	arrived atomic.Int64
	full    chan struct{} // closed when all calls have arrived
	open    atomic.Bool
}

func newGate() *gate { return &gate{full: make(chan struct{})} }

// hold returns when the call may be answered, or when its client has gone.
func (g *gate) hold(ctx context.Context) {
	if g.open.Load() {
		return
	}
	if g.arrived.Add(1) == burstCalls {
		close(g.full)
	}
	<-ctx.Done()
}

// patienceOfBurst bounds a burst: what is not saved by then is lost.
const patienceOfBurst = 10 * time.Second

// bursting returns a rig whose operation is one burst: begin makes a new client with a connection
// to a new server, and returns how to make a call.
func bursting(begin func(l *cuttable, g *gate) (call func(context.Context) error, end func())) rig {
	var took time.Duration
	var saved, all atomic.Int64
	once := func() time.Duration {
		raw, err := listen()
		if err != nil {
			panic(err)
		}
		l, g := &cuttable{Listener: raw}, newGate()
		call, end := begin(l, g)
		defer end()
		ctx, cancel := context.WithTimeout(context.Background(), patienceOfBurst)
		defer cancel()
		g.open.Store(true)
		if err := call(ctx); err != nil { // the connection is there, and has answered
			panic(err)
		}
		g.open.Store(false)
		var wg sync.WaitGroup
		for range burstCalls {
			wg.Go(func() {
				if call(ctx) == nil {
					saved.Add(1)
				}
			})
		}
		select {
		case <-g.full:
		case <-ctx.Done():
			panic("a burst did not arrive")
		}
		g.open.Store(true)
		start := time.Now()
		l.cut()
		wg.Wait()
		all.Add(burstCalls)
		return time.Since(start)
	}
	return rig{
		run: func(n int) {
			took = 0
			for range n {
				took += once()
			}
		},
		took:     func() time.Duration { return took },
		answered: func() float64 { return float64(saved.Load()) / float64(all.Load()) },
	}
}

func burstH2() *work {
	w := &work{
		name: "e2e/burst-h2", span: 1,
		what: "50 GETs on an HTTP/2 connection that is cut; the figure is the time until the last has ended",
	}
	for _, l := range libraries() {
		if l.http != nil {
			w.cells = append(w.cells, cell{library: l.name, budget: l.name == evenkeel, setup: func() rig {
				return bursting(func(c *cuttable, g *gate) (func(context.Context) error, func()) {
					return burstOverHTTP(l, c, g)
				})
			}})
		}
	}
	return w
}

func burstOverHTTP(l *library, c *cuttable, g *gate) (call func(context.Context) error, end func()) {
	base := h2c()
	s := &http.Server{Protocols: base.Protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.hold(r.Context())
		_, _ = w.Write(page)
	})}
	go func() { _ = s.Serve(c) }()
	send, url := l.clientOf(burstRules, base, 0), "http://"+c.Addr().String()+"/"
	call = func(ctx context.Context) error {
		status, err := send(ctx, http.MethodGet, url, nil)
		if err == nil && status != http.StatusOK {
			return errDown
		}
		return err
	}
	return call, func() {
		base.CloseIdleConnections()
		_ = s.Close()
	}
}

// declaredOptions returns the library's dial options for a method that is declared safe to
// repeat, as evenkeel's README declares it.
func declaredOptions(l *library) []grpc.DialOption {
	if l.name == evenkeel {
		return grpcx.DialOptions(policy(burstRules), grpcx.WithIdempotentMethods("peers.Echo/*"))
	}
	return l.dial(burstRules)
}

func burstGRPC() *work {
	w := &work{
		name: "e2e/burst-grpc", span: 1,
		what: "50 unary calls of a declared method on a connection that is cut; the time until the last has ended",
	}
	for _, l := range libraries() {
		if l.dial == nil {
			continue
		}
		opts := declaredOptions(l)
		w.cells = append(w.cells, cell{library: l.name, budget: l.name == evenkeel, setup: func() rig {
			return bursting(func(c *cuttable, g *gate) (func(context.Context) error, func()) {
				return burstOverGRPC(c, g, opts)
			})
		}})
	}
	return w
}

func burstOverGRPC(c *cuttable, g *gate, opts []grpc.DialOption) (call func(context.Context) error, end func()) {
	e := &echo{get: func(ctx context.Context, in *text) (*text, error) {
		g.hold(ctx)
		return in, nil
	}}
	e.serve(c)
	conn := e.dial(opts...)
	in := &text{Value: "some text"}
	return func(ctx context.Context) error { return conn.Invoke(ctx, method, in, new(text)) }, func() {
		_ = conn.Close()
		e.server.Stop()
	}
}
