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

// resendContext is the context of a resend whose caller sends no metadata. gRPC's key for
// metadata is private, and metadata.NewOutgoingContext costs two allocations, so all calls share
// contexts that hold the metadata alone, and Value asks one of them first.
type resendContext struct {
	drive.ResendContext
	metadata context.Context // one of previous
}

func (c *resendContext) Value(key any) any {
	if v := c.metadata.Value(key); v != nil {
		return v
	}
	return c.ResendContext.Value(key)
}

// previous holds contexts whose outgoing metadata has the number of attempts sent before, by that
// number.
var previous = func() (ctxs [8]context.Context) {
	for i := range ctxs {
		md := metadata.Pairs(previousAttempts, strconv.Itoa(i)) // gRPC reads and copies it only
		ctxs[i] = metadata.NewOutgoingContext(context.Background(), md)
	}
	return ctxs
}()

// resend returns a context derived from ctx whose outgoing metadata has the number of attempts
// sent before. The result may be c, which must be new. The caller's metadata is not changed.
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
