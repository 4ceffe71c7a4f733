package balancer

import (
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/resolver"

	"github.com/evenkeel-go/evenkeel/internal/placement"
	"github.com/evenkeel-go/evenkeel/outlier"
)

func init() { balancer.Register(builder{}) }

var logger = grpclog.Component("evenkeel")

type builder struct{}

// Name implements balancer.Builder.
func (builder) Name() string { return Name }

// Build implements balancer.Builder.
func (builder) Build(cc balancer.ClientConn, opts balancer.BuildOptions) balancer.Balancer {
	placement.Use()
	return &lb{
		ClientConn: cc,
		opts:       opts,
		backends:   map[*backend]struct{}{},
		byAddr:     map[string]*backend{},
		subConns:   map[balancer.SubConn]*backend{},
	}
}

// lb is the balancer of one connection. It implements balancer.Balancer; ClientConn is gRPC's.
type lb struct {
	balancer.ClientConn
	opts balancer.BuildOptions

	// child and its configuration are used by the methods of balancer.Balancer only, which gRPC
	// calls one at a time.
	child balancer.Balancer
	cfg   *lbConfig

	current atomic.Pointer[conn] // what child was built with

	mu       sync.Mutex // never held across a call of the child or of gRPC
	backends map[*backend]struct{}
	byAddr   map[string]*backend // those that are listed
	subConns map[balancer.SubConn]*backend
	group    *outlier.Group // nil: no backend is set aside
}

// backend holds what is known of one endpoint, across connections to it.
type backend struct {
	name     string // its first address
	listed   bool   // by the resolver
	subConns int
	ready    int              // of these
	outlier  *outlier.Backend // nil without a group
}

// UpdateClientConnState implements balancer.Balancer.
func (b *lb) UpdateClientConnState(s balancer.ClientConnState) error {
	cfg, ok := s.BalancerConfig.(*lbConfig)
	if !ok {
		return balancer.ErrBadResolverState
	}
	old := b.cfg
	b.cfg = cfg
	b.configure(old)
	b.list(s.ResolverState)
	if b.child == nil || old.child.Name() != cfg.child.Name() {
		c := &conn{ClientConn: b.ClientConn, b: b, passive: cfg.passive()}
		b.current.Store(c)
		if b.child != nil {
			b.child.Close()
		}
		b.child = cfg.child.Build(c, b.opts)
	}
	s.BalancerConfig = cfg.childConfig
	return b.child.UpdateClientConnState(s)
}

// configure replaces the group if its configuration has changed.
func (b *lb) configure(old *lbConfig) {
	next := b.cfg.setAside
	if b.cfg.passive() {
		next = nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if old != nil && next != nil && old.setAside != nil && *next == *old.setAside && b.group != nil {
		return
	}
	b.group = nil
	if next != nil {
		b.group = outlier.New(*next)
	}
	for be := range b.backends {
		be.outlier = nil
		if b.group != nil {
			be.outlier = b.group.Add(be.name)
		}
	}
}

// list replaces the backends by those of the resolver's list. The addresses of one endpoint are
// one backend.
func (b *lb) list(s resolver.State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.byAddr
	b.byAddr = map[string]*backend{}
	for be := range b.backends {
		be.listed = false
	}
	for _, e := range s.Endpoints {
		if len(e.Addresses) == 0 {
			continue
		}
		be := b.known(e, old)
		if be == nil {
			be = b.add(e.Addresses[0].Addr)
		}
		be.listed = true
		for _, a := range e.Addresses {
			b.byAddr[a.Addr] = be
		}
	}
	for be := range b.backends {
		b.sweep(be)
	}
}

// known returns the backend that an endpoint has already, in this list or in old, the one before;
// nil if it has none. It requires that b.mu is held.
func (b *lb) known(e resolver.Endpoint, old map[string]*backend) *backend {
	for _, a := range e.Addresses {
		if be := b.byAddr[a.Addr]; be != nil {
			return be
		}
	}
	for _, a := range e.Addresses {
		if be := old[a.Addr]; be != nil && !be.listed {
			return be
		}
	}
	return nil
}

// add adds a backend. It requires that b.mu is held.
func (b *lb) add(name string) *backend {
	be := &backend{name: name}
	if b.group != nil {
		be.outlier = b.group.Add(name)
	}
	b.backends[be] = struct{}{}
	return be
}

// sweep removes a backend that is neither listed nor has a SubConn. It requires that b.mu is
// held.
func (b *lb) sweep(be *backend) {
	if be.listed || be.subConns > 0 {
		return
	}
	delete(b.backends, be)
	if be.outlier != nil {
		b.group.Remove(be.outlier)
	}
}

// ResolverError implements balancer.Balancer.
func (b *lb) ResolverError(err error) {
	if b.child != nil {
		b.child.ResolverError(err)
		return
	}
	b.ClientConn.UpdateState(balancer.State{
		ConnectivityState: connectivity.TransientFailure, Picker: base.NewErrPicker(err),
	})
}

// UpdateSubConnState implements balancer.Balancer. gRPC does not call it: every SubConn has a
// listener.
func (b *lb) UpdateSubConnState(balancer.SubConn, balancer.SubConnState) {}

// ExitIdle implements balancer.Balancer.
func (b *lb) ExitIdle() {
	if b.child != nil {
		b.child.ExitIdle()
	}
}

// Close implements balancer.Balancer.
func (b *lb) Close() {
	placement.Release()
	if b.child != nil {
		b.child.Close()
	}
}

// conn is the connection as a child sees it.
type conn struct {
	balancer.ClientConn
	b       *lb
	passive bool
}

// NewSubConn implements balancer.ClientConn.
func (c *conn) NewSubConn(addrs []resolver.Address, opts balancer.NewSubConnOptions) (balancer.SubConn, error) {
	if len(addrs) == 0 {
		//lint:ignore SA1019 wrapped policies may still use it
		return c.ClientConn.NewSubConn(addrs, opts)
	}
	var (
		sc     balancer.SubConn
		state  connectivity.State
		listen = opts.StateListener
	)
	if listen == nil { // deprecated
		child := c.b.child
		//lint:ignore SA1019 wrapped policies may still use it
		listen = func(s balancer.SubConnState) { child.UpdateSubConnState(sc, s) }
	}
	opts.StateListener = func(s balancer.SubConnState) { // called after Connect, by one goroutine at a time
		c.b.changed(sc, state, s.ConnectivityState)
		state = s.ConnectivityState
		listen(s)
	}
	//lint:ignore SA1019 wrapped policies may still use it
	sc, err := c.ClientConn.NewSubConn(addrs, opts)
	if err != nil {
		return nil, err
	}
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	be := c.b.byAddr[addrs[0].Addr]
	if be == nil { // an address that the child has from elsewhere
		be = c.b.add(addrs[0].Addr)
	}
	be.subConns++
	c.b.subConns[sc] = be
	return sc, nil
}

// changed updates a backend for a change in the state of one of its SubConns.
func (b *lb) changed(sc balancer.SubConn, was, is connectivity.State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	be := b.subConns[sc]
	if be == nil {
		return
	}
	if was == connectivity.Ready {
		be.ready--
	}
	switch is {
	case connectivity.Ready:
		be.ready++
	case connectivity.Shutdown:
		delete(b.subConns, sc)
		be.subConns--
		b.sweep(be)
	}
}

// UpdateState implements balancer.ClientConn.
func (c *conn) UpdateState(s balancer.State) {
	if c.b.current.Load() != c { // from a child that was replaced
		return
	}
	if !c.passive {
		s.Picker = &picker{lb: c.b, child: s.Picker}
	}
	c.ClientConn.UpdateState(s)
}

// reportSent reports an attempt to the group. counted is false if be is in no group; changed
// reports whether an event follows, which is e.
func (b *lb) reportSent(
	call *placement.Call, now time.Time, be *backend,
) (a outlier.Attempt, e outlier.Event, counted, changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if be.outlier == nil {
		return a, e, false, false
	}
	a, e, changed = b.group.Send(now, be.outlier, call != nil && call.Timed)
	return a, e, true, changed
}

// reportEnd reports the end of an attempt to the group, and publishes the event that follows, if
// any.
func (b *lb) reportEnd(call *placement.Call, now time.Time, a outlier.Attempt, r outlier.Result, took time.Duration) {
	b.mu.Lock()
	if b.group == nil {
		b.mu.Unlock()
		return
	}
	e, changed := b.group.Report(now, a, r, took)
	b.mu.Unlock()
	if changed {
		b.publish(call, e)
	}
}

// publish passes an event to the log, and to the observer of the call whose attempt was decisive.
func (b *lb) publish(call *placement.Call, e outlier.Event) {
	//lint:ignore SA1019 BuildOptions may not be kept
	e.Destination = b.ClientConn.Target()
	logger.Infof("%s: backend %s %v (%v, %v)", e.Destination, e.Backend, e.Change, e.Cause, e.For)
	if call == nil {
		return
	}
	if o, ok := call.Observer.(outlier.Observer); ok {
		o.BackendChanged(call.Context, e)
	}
}
