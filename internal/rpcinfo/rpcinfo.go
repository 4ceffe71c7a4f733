// Package rpcinfo lets a gRPC driver say on a call's context which RPC the call is, for the
// observers of its policy: an observer of package otelx records gRPC's own metrics of such calls,
// and of no others.
package rpcinfo

import "context"

// Other is the method recorded for an RPC whose name was not fixed when code was generated: a
// proxy's methods are named by its callers, and would be metric series without bound (gRFC
// A66).
const Other = "other"

// Info holds the attributes of an RPC in gRPC's metrics (gRFC A66).
type Info struct {
	// Method is "package.Service/Method", without the leading slash, if
	// grpc.StaticMethodCallOption is among the call's options. Everything else is Other.
	Method string
	// Target is the connection's CanonicalTarget.
	Target string
}

// Context is a call's context with an Info. It must be the very context that the policy's observer
// receives, not a parent of it: what is made on contexts derived from it (a token fetched over
// HTTP for the RPC) is another call. Embed it in what is allocated for the call anyway, and it
// costs no allocation of its own.
type Context struct {
	context.Context
	Info Info
}

// From returns the Info of the call on ctx, and reports whether it has one.
func From(ctx context.Context) (Info, bool) {
	c, ok := ctx.(*Context)
	if !ok {
		return Info{}, false
	}
	return c.Info, true
}
