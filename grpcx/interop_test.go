package grpcx_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// The client side of gRPC's interoperability tests, through the interceptors of both sides. They
// end the process when they fail.
func TestInterop(t *testing.T) {
	policies := map[string]*retry.Policy{
		"default": retry.Must(retry.New(retry.Config{})),
		"attempt timeout and hedging": retry.Must(retry.New(retry.Config{
			AttemptTimeout: timeout.Fixed(20 * time.Second), Hedge: timeout.Fixed(time.Millisecond),
		})),
	}
	for name, p := range policies {
		t.Run(name, func(t *testing.T) {
			to := serve(t, interop.NewTestServer(),
				grpc.UnaryInterceptor(grpcx.UnaryServerInterceptor()),
				grpc.ChainStreamInterceptor(outwaited, grpcx.StreamServerInterceptor()))
			all := []string{emptyCall, unaryCall, outputCall, inputCall, duplexCall}
			cc := conn(t, "passthrough:///interop", append(grpcx.DialOptions(p, grpcx.WithIdempotentMethods(all...)), to)...)
			interopCases(within(t, time.Minute), cc)
			// These compare the text of the error, which names the reason when a call was sent
			// more than once.
			once := testgrpc.NewTestServiceClient(conn(t, "passthrough:///interop", append(grpcx.DialOptions(p), to)...))
			interop.DoSpecialStatusMessage(within(t, time.Minute), once)
			interop.DoStatusCodeAndMessage(within(t, time.Minute), once)
		})
	}
}

// outwaited holds back the answer to DoCancelAfterBegin, the only client stream with metadata of
// its own, until the client has gone. One that came before gRPC-Go saw the cancellation would be
// an answer, with evenkeel or without.
func outwaited(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if info.FullMethod == inputCall && len(metadata.ValueFromIncomingContext(s.Context(), "key1")) > 0 {
		<-s.Context().Done()
	}
	return handle(srv, s)
}

func interopCases(ctx context.Context, cc *grpc.ClientConn) {
	tc := testgrpc.NewTestServiceClient(cc)
	interop.DoEmptyUnaryCall(ctx, tc)
	interop.DoLargeUnaryCall(ctx, tc)
	interop.DoClientStreaming(ctx, tc)
	interop.DoServerStreaming(ctx, tc)
	interop.DoPingPong(ctx, tc)
	interop.DoEmptyStream(ctx, tc)
	interop.DoTimeoutOnSleepingServer(ctx, tc)
	interop.DoCancelAfterBegin(ctx, tc)
	interop.DoCancelAfterFirstResponse(ctx, tc)
	interop.DoCustomMetadata(ctx, tc)
	interop.DoUnimplementedMethod(ctx, cc)
	interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(cc))
}
