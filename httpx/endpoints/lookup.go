package endpoints

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// lookup is a lookup under way.
type lookup struct {
	over chan struct{}
	err  error // set before over is closed
}

// ready waits until there is a list, and has it refreshed when it is too old.
func (t *Transport) ready(ctx context.Context) error {
	l := t.refresh(t.cfg.Refresh)
	if l == nil {
		return nil
	}
	select {
	case <-l.over:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if l.err != nil {
		return fmt.Errorf("%w (endpoints of %s)", l.err, t.host)
	}
	return nil
}

// refresh begins a lookup if there is no list, or the last lookup is that long ago. It returns
// the lookup that callers must wait for, nil if there is a list.
func (t *Transport) refresh(age time.Duration) *lookup {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.lookup == nil && (t.list == nil || now.Sub(t.looked) >= age) {
		t.looked = now
		t.lookup = &lookup{over: make(chan struct{})}
		go t.run(t.lookup)
	}
	if t.list != nil {
		return nil
	}
	return t.lookup
}

// run makes a lookup.
func (t *Transport) run(l *lookup) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	var found []Endpoint
	err := errExited
	defer func() { t.conclude(l, found, err) }() // also after a runtime.Goexit: callers wait for it
	found, err = t.resolve(ctx)
	if err == nil && len(found) == 0 {
		err = errNone
	}
}

// errExited is the error of a lookup whose Resolver did not return.
var errExited = errors.New("the resolver called runtime.Goexit")

// conclude applies the result of a lookup. After a failure the next one is due soon.
func (t *Transport) conclude(l *lookup, found []Endpoint, err error) {
	t.mu.Lock()
	var left []*endpoint
	if err == nil {
		left = t.replace(found)
		if t.list == nil {
			err = errNone
		}
	} else if t.cfg.Refresh > soon {
		t.looked = t.looked.Add(soon - t.cfg.Refresh)
	}
	t.lookup, l.err = nil, err
	t.mu.Unlock()
	close(l.over)
	for _, e := range left {
		e.rt.CloseIdleConnections()
	}
}

// replace makes what was found the list and returns the endpoints that left it, without those in
// use, whose connections release closes. It requires that t.mu is held.
func (t *Transport) replace(found []Endpoint) (left []*endpoint) {
	old := map[string]*endpoint{}
	for _, e := range t.list {
		old[e.name] = e
	}
	var list []*endpoint
	seen := map[string]bool{}
	for _, f := range found {
		name := f.name()
		if name == "" || seen[name] || len(list) == mostEndpoints {
			continue
		}
		seen[name] = true
		f.Weight = min(max(f.Weight, 1), mostWeight)
		e := old[name]
		if e == nil {
			e = t.add(name, f)
		}
		delete(old, name)
		e.Weight = f.Weight
		list = append(list, e)
	}
	if list == nil {
		return nil
	}
	for _, e := range old {
		e.gone = true
		if e.outlier != nil {
			t.group.Remove(e.outlier)
		}
		if e.open == 0 {
			left = append(left, e)
		}
	}
	t.list = list
	return left
}

// name identifies an endpoint, in events as well: it has no password, which is not sent either.
func (e Endpoint) name() string {
	if e.URL != nil {
		return e.URL.Redacted()
	}
	return e.Addr
}

// add returns a new endpoint, which it adds to the group.
func (t *Transport) add(name string, f Endpoint) *endpoint {
	e := &endpoint{Endpoint: f, name: name, rt: t.base.Clone()}
	if t.group != nil {
		e.outlier = t.group.Add(name)
	}
	if e.rt.IdleConnTimeout == 0 {
		e.rt.IdleConnTimeout = idleTimeout
	}
	if e.URL == nil {
		e.redirectDials(t.base)
	}
	return e
}

// redirectDials makes the endpoint's transport dial its address whatever a request names.
func (e *endpoint) redirectDials(base *http.Transport) {
	if _, ok := base.TLSNextProto["h2"]; ok { // HTTP/2 is on, and a DialContext would turn it off
		e.rt.ForceAttemptHTTP2 = true
	}
	if _, ok := e.rt.TLSNextProto["h2"]; ok { // set by x/net/http2: one pool for all clones
		e.rt.TLSNextProto = nil
	}
	e.rt.Proxy = nil
	//lint:ignore SA1019 a user may have set it
	e.rt.DialContext = e.redirect(base.DialContext, base.Dial)
	if e.rt.DialContext == nil {
		e.rt.DialContext = e.redirect(new(net.Dialer).DialContext, nil)
	}
	//lint:ignore SA1019 a user may have set it
	e.rt.DialTLSContext = e.redirect(base.DialTLSContext, base.DialTLS)
}

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// redirect returns dial or, without that, the deprecated function, with the endpoint's address in
// place of the one that a request names. It returns nil if there is neither.
func (e *endpoint) redirect(dial dialer, deprecated func(network, addr string) (net.Conn, error)) dialer {
	if dial == nil && deprecated != nil {
		dial = func(_ context.Context, network, addr string) (net.Conn, error) { return deprecated(network, addr) }
	}
	if dial == nil {
		return nil
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		return dial(ctx, network, e.hostport(addr))
	}
}
