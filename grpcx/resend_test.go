package grpcx_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// Calls whose callers send no metadata share that of their resends: what an interceptor behind
// does to it stays in its own attempt.
func TestResend_MetadataChangesStayInAttempt(t *testing.T) {
	s := newService()
	var attempts, tags [][]string
	s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		attempts = append(attempts, md.Get("grpc-previous-rpc-attempts"))
		tags = append(tags, md.Get("tag"))
		if n%10 != 0 {
			return nil, unavailable()
		}
		return numbered(1), nil
	}
	n := 0
	tag := grpc.WithChainUnaryInterceptor(func(
		ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption,
	) error {
		n++
		ctx = metadata.AppendToOutgoingContext(ctx, "tag", strconv.Itoa(n))
		md, _ := metadata.FromOutgoingContext(ctx)
		md.Set("grpc-previous-rpc-attempts", "spoilt")
		return invoker(ctx, method, req, reply, cc, opts...)
	})
	ten := policy(t, func(c *retry.Config) { c.MaxAttempts = 10 })
	cc := conn(t, "passthrough:///test", append(grpcx.DialOptions(ten), serve(t, s), tag)...)
	for range 2 {
		_, err := testgrpc.NewTestServiceClient(cc).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
		require.NoError(t, err)
	}
	for i := range 20 {
		require.Equal(t, []string{strconv.Itoa(i + 1)}, tags[i])
		if i%10 == 0 {
			require.Empty(t, attempts[i])
			continue
		}
		require.Equal(t, []string{strconv.Itoa(i % 10)}, attempts[i])
	}
}

type callersKey struct{}

func TestResend_ContextInheritsFromCall(t *testing.T) {
	ctx, cancel := context.WithDeadline(context.WithValue(t.Context(), callersKey{}, "kept"), time.Now().Add(time.Hour))
	defer cancel()
	want, _ := ctx.Deadline()
	n := 0
	err := grpcx.UnaryClientInterceptor(policy(t))(ctx, unaryCall, nil, nil, nil,
		func(actx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
			n++
			got, _ := actx.Deadline()
			require.Equal(t, want, got)
			require.Equal(t, "kept", actx.Value(callersKey{}))
			require.Equal(t, n, retry.AttemptNumber(actx))
			if n == 1 {
				return unavailable()
			}
			inner, stop := context.WithCancel(actx)
			defer stop()
			cancel()
			<-inner.Done() // the caller's cancellation arrives
			return nil
		})
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

func TestResend_CarriesAttemptNumber(t *testing.T) {
	for _, ctx := range []context.Context{t.Context(), metadata.AppendToOutgoingContext(t.Context(), "tag", "1")} {
		var unary, streams []int
		see := []grpc.DialOption{
			grpc.WithChainUnaryInterceptor(func(
				ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption,
			) error {
				unary = append(unary, retry.AttemptNumber(ctx))
				return invoker(ctx, method, req, reply, cc, opts...)
			}),
			grpc.WithChainStreamInterceptor(func(
				ctx context.Context, d *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption,
			) (grpc.ClientStream, error) {
				streams = append(streams, retry.AttemptNumber(ctx))
				return streamer(ctx, d, cc, method, opts...)
			}),
		}
		s := newService()
		s.unary = failing(2, unavailable())
		s.duplex = func(int, testgrpc.TestService_FullDuplexCallServer) error { return unavailable() }
		cc := conn(t, "passthrough:///test", append(append(grpcx.DialOptions(policy(t)), serve(t, s)), see...)...)
		c := testgrpc.NewTestServiceClient(cc)
		_, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{})
		require.NoError(t, err)
		require.Equal(t, []int{1, 2, 3}, unary)
		st, err := c.FullDuplexCall(ctx)
		require.NoError(t, err)
		_, err = st.Recv()
		require.Error(t, err)
		require.NotEmpty(t, streams)
		for i, n := range streams {
			require.Equal(t, i+1, n)
		}
		require.Greater(t, len(streams), 1)
	}
}

func TestWithPolicy_IgnoredWithoutInterceptors(t *testing.T) {
	s := newService()
	cc := conn(t, "passthrough:///test", serve(t, s))
	_, err := testgrpc.NewTestServiceClient(cc).UnaryCall(t.Context(), &testgrpc.SimpleRequest{}, grpcx.WithPolicy(policy(t)))
	require.NoError(t, err)
	_, err = testgrpc.NewTestServiceClient(cc).FullDuplexCall(t.Context(), grpcx.WithPolicy(policy(t)))
	require.NoError(t, err)
}
