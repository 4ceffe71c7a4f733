package grpcx

import (
	"context"
	"strconv"

	"google.golang.org/grpc/metadata"
)

const (
	previousAttempts = "grpc-previous-rpc-attempts"
	pushbackKey      = "grpc-retry-pushback-ms"
)

// previousValues are the header's values for the resends that are usual; gRPC reads and copies them only.
var previousValues = func() (values [8]metadata.MD) {
	for i := range values {
		values[i] = metadata.Pairs(previousAttempts, strconv.Itoa(i))
	}
	return values
}()

// resendContext adds to the outgoing metadata how many attempts were sent before. The caller's metadata stays as it
// is.
func resendContext(ctx context.Context, previous int) context.Context {
	md, ok := metadata.FromOutgoingContext(ctx) // a copy
	switch {
	case !ok && previous < len(previousValues):
		md = previousValues[previous]
	case !ok:
		md = metadata.Pairs(previousAttempts, strconv.Itoa(previous))
	default:
		md.Set(previousAttempts, strconv.Itoa(previous))
	}
	return metadata.NewOutgoingContext(ctx, md)
}
