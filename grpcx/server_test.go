package grpcx_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func interceptors(opts ...grpcx.ServerOption) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.UnaryInterceptor(grpcx.UnaryServerInterceptor(opts...)),
		grpc.StreamInterceptor(grpcx.StreamServerInterceptor(opts...)),
	}
}

// Five services, each with a policy of three attempts, the leaf down: 243 attempts reach the leaf
// without "do not retry" passed upwards.
func TestServers_PassDoNotRetryUpward(t *testing.T) {
	for name, stream := range map[string]bool{"unary": false, "stream": true} {
		t.Run(name, func(t *testing.T) {
			leaf := newService()
			leaf.unary = failing(9999, unavailable())
			next := serve(t, leaf, interceptors()...)
			for range 4 {
				c := dial(t, next, policy(t))
				s := newService()
				s.unary = func(ctx context.Context, _ int, r *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
					return c.UnaryCall(ctx, r)
				}
				s.output = func(_ int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
					_, err := c.UnaryCall(st.Context(), &testgrpc.SimpleRequest{})
					return err
				}
				next = serve(t, s, interceptors()...)
			}
			c := dial(t, next, policy(t))
			var err error
			if stream {
				var st testgrpc.TestService_StreamingOutputCallClient
				st, err = c.StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
				require.NoError(t, err)
				_, err = st.Recv()
			} else {
				_, err = c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
			}
			require.Equal(t, codes.Unavailable, status.Code(err))
			require.Equal(t, retry.ReasonNoRetry, reason(t, err))
			require.EqualValues(t, 3, leaf.calls.Load())
		})
	}
}

func TestServers_AddNothingToSuccessOrOwnFailure(t *testing.T) {
	leaf := newService()
	leaf.unary = failing(9999, unavailable())
	c := dial(t, serve(t, leaf), policy(t))
	s := newService()
	s.unary = func(ctx context.Context, n int, r *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		if n == 1 {
			_, err := c.UnaryCall(ctx, r)
			require.Error(t, err)
			return numbered(n), nil // it has an answer all the same
		}
		return nil, unavailable()
	}
	plain := testgrpc.NewTestServiceClient(conn(t, "passthrough:///x", serve(t, s, interceptors()...)))
	for range 2 {
		var trailer metadata.MD
		_, _ = plain.UnaryCall(t.Context(), &testgrpc.SimpleRequest{}, grpc.Trailer(&trailer))
		require.Empty(t, trailer.Get("grpc-retry-pushback-ms"))
	}
}

// A native gRPC client obeys as well.
func TestServers_DoNotRetryStopsPlainClient(t *testing.T) {
	leaf := newService()
	leaf.unary = failing(9999, unavailable())
	c := dial(t, serve(t, leaf), policy(t))
	s := newService()
	s.unary = func(ctx context.Context, _ int, r *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		return c.UnaryCall(ctx, r)
	}
	cc := conn(t, "passthrough:///x", serve(t, s, interceptors()...), grpc.WithDefaultServiceConfig(retryConfig(`"UNAVAILABLE"`)))
	_, err := testgrpc.NewTestServiceClient(cc).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.Error(t, err)
	require.EqualValues(t, 1, s.calls.Load())
}

func TestServers_RefuseExpiredWorkBeforeHandler(t *testing.T) {
	expired, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err := grpcx.UnaryServerInterceptor()(expired, nil, &grpc.UnaryServerInfo{}, func(context.Context, any) (any, error) {
		t.Error("handled")
		return nil, nil
	})
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	st := &fakeStream{ctx: expired}
	err = grpcx.StreamServerInterceptor()(nil, st, &grpc.StreamServerInfo{}, func(any, grpc.ServerStream) error {
		t.Error("handled")
		return nil
	})
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	require.Equal(t, []string{"-1"}, st.trailer.Get("grpc-retry-pushback-ms"))
}

type fakeStream struct {
	grpc.ServerStream
	ctx     context.Context
	trailer metadata.MD
}

func (s *fakeStream) Context() context.Context     { return s.ctx }
func (s *fakeStream) SetTrailer(md metadata.MD)    { s.trailer = metadata.Join(s.trailer, md) }
func (s *fakeStream) SetHeader(metadata.MD) error  { return nil }
func (s *fakeStream) SendHeader(metadata.MD) error { return nil }

func TestServers_BoundAcceptedDeadline(t *testing.T) {
	s := newService()
	var left time.Duration
	s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		deadline, ok := ctx.Deadline()
		require.True(t, ok)
		left = time.Until(deadline)
		return numbered(n), nil
	}
	c := dial(t, serve(t, s, interceptors(grpcx.WithMaxDeadline(time.Hour))...), policy(t))
	for given, most := range map[time.Duration]time.Duration{0: time.Hour, 24 * time.Hour: time.Hour, 30 * time.Minute: 30 * time.Minute} {
		ctx := t.Context()
		if given > 0 {
			ctx = within(t, given)
		}
		_, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{})
		require.NoError(t, err)
		require.LessOrEqual(t, left, most)
		require.Greater(t, left, most-10*time.Minute)
	}
}

func TestServers_ObserveAttemptNumbers(t *testing.T) {
	s := newService()
	s.unary = failing(2, unavailable())
	var seen []string
	observe := grpcx.WithAttemptObserver(func(_ context.Context, method string, n int) { seen = append(seen, fmt.Sprint(method, n)) })
	_, err := dial(t, serve(t, s, interceptors(observe)...), policy(t)).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.NoError(t, err)
	require.Equal(t, []string{unaryCall + "1", unaryCall + "2", unaryCall + "3"}, seen)
}

func TestIncomingAttempt_IsBounded(t *testing.T) {
	for want, values := range map[int][]string{
		1: {}, 2: {"1"}, 4: {"1", "3", "2"}, 5: {"x", "4", "-7"}, 1000: {"2147483647"},
	} {
		ctx := metadata.NewIncomingContext(t.Context(), metadata.MD{"grpc-previous-rpc-attempts": values})
		require.Equal(t, want, grpcx.IncomingAttempt(ctx), values)
	}
	for _, hostile := range []string{"", "-1", "99999999999999999999", "1e3", " 1"} {
		ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("grpc-previous-rpc-attempts", hostile))
		require.Equal(t, 1, grpcx.IncomingAttempt(ctx), hostile)
	}
	require.Equal(t, 1, grpcx.IncomingAttempt(t.Context()))
}

func TestServers_ReportCanceledCall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := grpcx.UnaryServerInterceptor()(ctx, nil, &grpc.UnaryServerInfo{FullMethod: unaryCall},
		func(context.Context, any) (any, error) {
			t.Error("handled")
			return nil, nil
		})
	require.Equal(t, codes.Canceled, status.Code(err))
}

func TestOptions_NilIsNamed(t *testing.T) {
	require.PanicsWithValue(t, "grpcx: Option: must not be nil", func() { grpcx.DialOptions(policy(t), nil) })
	require.PanicsWithValue(t, "grpcx: Option: must not be nil", func() { grpcx.UnaryServerInterceptor(nil) })
}
