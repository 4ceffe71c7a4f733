// Package rpcinfo lets a gRPC driver say on a call's context which RPC the call is, for the observers of its policy:
// an observer of package otelx records gRPC's own metrics of such calls, and of no others.
package rpcinfo

import "context"

// Other is the method recorded for an RPC whose name was not fixed when code was generated: a proxy's methods are
// named by whoever calls it, and would be metric series without bound (gRFC A66).
const Other = "other"

// Info is what gRPC's metrics say of an RPC (gRFC A66).
type Info struct {
	// Method is "package.Service/Method", without the leading slash, if grpc.StaticMethodCallOption is among the
	// call's options. Everything else is Other.
	Method string
	// Target is the connection's CanonicalTarget.
	Target string
}

// Context is a call's context with an Info. Embed it in what is allocated for the call anyway:
//
//	u.rpc = rpcinfo.Context{Context: ctx, Info: info}
//	u.ctx = &u.rpc
//
// so that it costs no allocation of its own. It must not change once it is in use.
type Context struct {
	context.Context
	Info Info
}

type key struct{}

// Value returns the Info to From, and what the parent has to all others.
func (c *Context) Value(k any) any {
	if k == (key{}) {
		return &c.Info
	}
	return c.Context.Value(k)
}

// From is which RPC is being made on ctx.
func From(ctx context.Context) (Info, bool) {
	i, ok := ctx.Value(key{}).(*Info)
	if !ok {
		return Info{}, false
	}
	return *i, true
}
