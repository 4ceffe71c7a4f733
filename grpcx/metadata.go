package grpcx

import (
	"context"
	"strconv"

	"google.golang.org/grpc/metadata"

	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/layer"
)

const (
	previousAttempts = "grpc-previous-rpc-attempts"
	pushbackKey      = "grpc-retry-pushback-ms"
)

// resendContext is the context of a resend whose caller sends no metadata. A context of context.WithValue for each
// would be two allocations, and its key is gRPC's secret; but a context that has the metadata and nothing else can be
// shared by all, and asked first.
type resendContext struct {
	drive.ResendContext
	metadata context.Context
}

func (c *resendContext) Value(key any) any {
	if v := c.metadata.Value(key); v != nil {
		return v
	}
	return c.ResendContext.Value(key)
}

// previous are contexts that say, for the resends that are usual, how many attempts were sent before.
var previous = func() (ctxs [8]context.Context) {
	for i := range ctxs {
		md := metadata.Pairs(previousAttempts, strconv.Itoa(i)) // gRPC reads and copies it only
		ctxs[i] = metadata.NewOutgoingContext(context.Background(), md)
	}
	return ctxs
}()

// resend adds to the outgoing metadata how many attempts were sent before, for which it may use c. The caller's
// metadata stays as it is.
func (c *resendContext) resend(ctx context.Context, sent int) context.Context {
	layer.Resent()
	c.ResendContext = drive.ResendContext{Context: ctx, Attempt: sent + 1}
	md, ok := metadata.FromOutgoingContext(ctx) // a copy
	if !ok && sent < len(previous) {
		c.metadata = previous[sent]
		return c
	}
	if !ok {
		md = metadata.MD{}
	}
	md.Set(previousAttempts, strconv.Itoa(sent))
	return metadata.NewOutgoingContext(&c.ResendContext, md)
}
