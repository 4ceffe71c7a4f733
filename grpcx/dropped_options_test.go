package grpcx_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// An attempt whose options nobody heeds leaves its trailer's place empty, like one that was never
// sent. Without more to go by, what may not have its effect twice is not sent twice.
func TestUnary_DroppedOptionsProveNothing(t *testing.T) {
	strict := []grpcx.Option{grpcx.WithStrictIdempotency()}
	undeclared := context.Background()
	notIdempotent := retry.WithIdempotency(undeclared, retry.NotIdempotent)
	for name, row := range map[string]struct {
		ctx  context.Context
		opts []grpcx.Option
	}{
		"in a process, by the caller's word": {notIdempotent, nil},
		"in a process, strict":               {undeclared, strict},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			err := grpcx.UnaryClientInterceptor(policy(t), row.opts...)(row.ctx, unaryCall, nil, nil, nil,
				func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
					n++
					return unavailable()
				})
			require.Equal(t, codes.Unavailable, status.Code(err))
			require.Equal(t, retry.ReasonNotIdempotent, reason(t, err))
			require.Equal(t, 1, n)
		})
	}
	for name, p := range map[string]*retry.Policy{"plain": policy(t), "observed": observed(t, new(counter))} {
		t.Run("an interceptor that drops them, "+name, func(t *testing.T) {
			s := newService()
			s.unary = failing(100, unavailable())
			drop := grpc.WithChainUnaryInterceptor(func(
				ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, _ ...grpc.CallOption,
			) error {
				return invoker(ctx, method, req, reply, cc)
			})
			cc := conn(t, "passthrough:///test", append(grpcx.DialOptions(p, strict...), serve(t, s), drop)...)
			_, err := testgrpc.NewTestServiceClient(cc).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
			require.Equal(t, retry.ReasonNotIdempotent, reason(t, err))
			require.EqualValues(t, 1, s.calls.Load())
		})
	}
}

// A stream of another make has no trailer where gRPC's own has an empty one.
func TestForeignStream_NotTakenForUnsent(t *testing.T) {
	n := 0
	open := streams(&n, func(ctx context.Context) (grpc.ClientStream, error) { return dead(ctx, nil, unavailable()), nil })
	st, err := grpcx.StreamClientInterceptor(policy(t), grpcx.WithStrictIdempotency())(t.Context(), bidi, nil, duplexCall, open)
	require.NoError(t, err)
	require.Equal(t, retry.ReasonNotIdempotent, reason(t, st.RecvMsg(both(""))))
	require.Equal(t, 1, n)

	n = 0
	open = streams(&n, func(context.Context) (grpc.ClientStream, error) { return nil, unavailable() })
	_, err = grpcx.StreamClientInterceptor(policy(t), grpcx.WithStrictIdempotency())(t.Context(), bidi, nil, duplexCall, open)
	require.Equal(t, retry.ReasonNotIdempotent, reason(t, err))
	require.Equal(t, 1, n)
}
