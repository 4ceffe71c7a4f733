package httpx

import (
	"context"
	"net/http/httptrace"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
)

// connTrace records whether an attempt asked for a connection and got one.
type connTrace struct {
	httptrace.ClientTrace
	asked  atomic.Bool
	got    atomic.Bool
	reader *replay // of the request's body; nil: it is not recorded
}

// watch returns a context with s as its ClientTrace.
func (s *connTrace) watch(ctx context.Context) context.Context {
	s.GetConn = func(string) { s.asked.Store(true) }
	s.GotConn = func(httptrace.GotConnInfo) {
		s.got.Store(true)
		if s.reader != nil {
			s.reader.reopen()
		}
	}
	return httptrace.WithClientTrace(ctx, &s.ClientTrace)
}

// unsent reports whether the attempt, which is over, asked for a connection and got none. It is
// false for a base that does not call GetConn.
func (s *connTrace) unsent() bool { return s != nil && s.asked.Load() && !s.got.Load() }

// trace returns the context to send an attempt on, and reports whether that differs from ctx. It
// watches connections only where they matter: to decide whether an attempt that timed out, or
// failed in a TLS handshake, was sent, and to reopen a recorded body.
func (c *call) trace(ctx context.Context, timed bool) (context.Context, bool) {
	switch {
	case c.bodies.shared && c.hooks == nil, c.once:
		return ctx, false
	case c.bodies.shared:
		return &tracedContext{ctx, c.hooks}, true
	}
	c.traced = nil
	if !timed && c.bodies.record == nil && !c.handshakes() {
		return ctx, false
	}
	c.traced = &connTrace{reader: c.bodies.reader}
	return c.traced.watch(ctx), true
}

// handshakes reports whether it matters that an attempt failed in its TLS handshake: nothing was
// sent then, so the request can be sent again although it is not idempotent.
func (c *call) handshakes() bool {
	return !c.idempotent && c.req.URL != nil && c.req.URL.Scheme == "https"
}

// proven returns the outcome o of an attempt that failed with err, or Unprocessed if the trace
// shows that it got no connection. The outcome of a proxy's answer to CONNECT depends on its
// status.
func (c *call) proven(o retry.Outcome, err error) retry.Outcome {
	if o.Class != retry.Transient && o.Class != retry.Timeout || !c.traced.unsent() {
		return o
	}
	if _, answered := connectStatus(c.req, err); !answered {
		o.Class, o.Alive, o.Evidence = retry.Unprocessed, false, budget.None
	}
	return o
}

// serialized returns a context with the ClientTrace of ctx for attempts side by side, whose hooks
// run one at a time, or nil if ctx has no ClientTrace.
func serialized(ctx context.Context) context.Context {
	trace := httptrace.ContextClientTrace(ctx)
	if trace == nil {
		return nil
	}
	var mu sync.Mutex
	copied := *trace
	fields := reflect.ValueOf(&copied).Elem()
	for i := range fields.NumField() {
		hook := fields.Field(i)
		if hook.Kind() != reflect.Func || hook.IsNil() {
			continue
		}
		bare := reflect.ValueOf(hook.Interface())
		hook.Set(reflect.MakeFunc(hook.Type(), func(args []reflect.Value) []reflect.Value {
			mu.Lock()
			defer mu.Unlock()
			return bare.Call(args)
		}))
	}
	return httptrace.WithClientTrace(context.Background(), &copied)
}

// tracedContext replaces the ClientTrace of a Context; httptrace.WithClientTrace would call both.
type tracedContext struct {
	context.Context
	trace context.Context
}

// Value implements context.Context.
func (c *tracedContext) Value(key any) any {
	if v := c.trace.Value(key); v != nil {
		return v
	}
	return c.Context.Value(key)
}
