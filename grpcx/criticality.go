package grpcx

import (
	"context"

	"google.golang.org/grpc/metadata"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/internal/serve"
)

const criticalityKey = "x-criticality"

// withCriticality adds the call's criticality to the outgoing metadata, if ctx has one and the
// caller's metadata does not.
func withCriticality(ctx context.Context) context.Context {
	c, ok := layer.Criticality(ctx)
	if !ok {
		return ctx
	}
	if md, _ := metadata.FromOutgoingContext(ctx); md.Get(criticalityKey) != nil {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, criticalityKey, c.String())
}

// incomingCriticality returns the criticality that the client gave its call, lowered to CRITICAL
// if trusts does not allow more, and whether it gave one. Of several values the first counts.
func incomingCriticality(ctx context.Context, trusts func(context.Context) bool) (c call.Criticality, said bool) {
	values := metadata.ValueFromIncomingContext(ctx, criticalityKey)
	if len(values) == 0 {
		return call.Critical, false
	}
	return serve.Incoming(values[0], trusts, ctx)
}

// WithLoadShedding refuses calls at once, with RESOURCE_EXHAUSTED and grpc-retry-pushback-ms: -1,
// while the server has too many in flight: more than a share of limit that depends on the call.
// One that names no criticality is CRITICAL.
//
//	            CRITICAL_PLUS  CRITICAL  SHEDDABLE_PLUS  SHEDDABLE
//	first sent       100 %        80 %         70 %         60 %
//	resent            50 %        40 %         35 %         30 %
//
// So resends and hedges are refused before any first attempt, and first attempts of the least
// important calls before others (see retry.WithCriticality). Set limit to what the server handles
// well at a time: its capacity in calls a second times the latency that is still good. The limit
// is one for all interceptors that are given this value. A stream counts for as long as its
// handler runs; where that is hours, leave the option out of the stream interceptor.
func WithLoadShedding(limit int) ServerOption {
	l := serve.NewLimiter("grpcx: WithLoadShedding", limit)
	return func(c *serverConfig) { c.limiter = l }
}

// WithTrust sets which callers may raise a call above CRITICAL. By default none may: a call
// marked CRITICAL_PLUS is handled as CRITICAL. Any caller may lower it.
//
// Attempt numbers need no trust. They are bounded, and a number above 1 can only worsen the
// client's own case. A resend without a number counts as a first attempt. The retry budget does
// not look at them.
func WithTrust(trusted func(ctx context.Context) bool) ServerOption {
	must(trusted != nil, "WithTrust: must not be nil")
	return func(c *serverConfig) { c.trusts = trusted }
}
