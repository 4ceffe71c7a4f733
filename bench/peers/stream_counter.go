package main

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc/stats"
)

// streamCounter counts the attempts of a ClientConn, whoever makes them.
type streamCounter struct{ n atomic.Int64 }

// TagRPC returns the context as it is.
func (*streamCounter) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC counts the attempts that begin.
func (c *streamCounter) HandleRPC(_ context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.Begin); ok {
		c.n.Add(1)
	}
}

// TagConn returns the context as it is.
func (*streamCounter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (*streamCounter) HandleConn(context.Context, stats.ConnStats) {}
