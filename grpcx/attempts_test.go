package grpcx_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
)

func TestAttempts_CountsSent(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		fails := 0
		fail := func(n int) error {
			if n <= fails {
				return unavailable()
			}
			return nil
		}
		s.unary = func(_ context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			return numbered(n), fail(n)
		}
		s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
			if err := fail(n); err != nil {
				return err
			}
			return st.Send(&testgrpc.StreamingOutputCallResponse{})
		}
		stub := dial(t, to, policy(t))
		for name, call := range map[string]func(opts ...grpc.CallOption) error{
			"unary": func(opts ...grpc.CallOption) error {
				_, err := stub.UnaryCall(t.Context(), &testgrpc.SimpleRequest{}, opts...)
				return err
			},
			"stream": func(opts ...grpc.CallOption) error {
				st, err := stub.StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{}, opts...)
				for err == nil {
					_, err = st.Recv()
				}
				if err.Error() == "EOF" {
					err = nil
				}
				return err
			},
		} {
			for fails = range 4 {
				s.calls.Store(0)
				n, m := 99, 99
				err := call(grpcx.Attempts(&n), grpcx.Attempts(&m))
				require.Equal(t, fails == 3, err != nil, name)
				require.Equal(t, min(fails+1, 3), n, "%s fails %d times", name, fails)
				require.Equal(t, n, m, "each of two is set")
			}
		}
	})
}

func TestAttempts_HedgedOrUnsent(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			if n == 1 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return numbered(n), nil
		}
		stub := dial(t, to, policy(t, hedging(time.Second)), grpcx.WithIdempotentMethods("*"))
		n := 99
		_, err := stub.UnaryCall(t.Context(), &testgrpc.SimpleRequest{}, grpcx.Attempts(&n))
		require.NoError(t, err)
		require.Equal(t, 2, n)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, call := range []func(...grpc.CallOption) error{
			func(o ...grpc.CallOption) error {
				_, err := stub.UnaryCall(ctx, &testgrpc.SimpleRequest{}, o...)
				return err
			},
			func(o ...grpc.CallOption) error {
				_, err := stub.StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{}, o...)
				return err
			},
		} {
			n = 99
			require.Equal(t, codes.Canceled, status.Code(call(grpcx.Attempts(&n))))
			require.Zero(t, n)
		}
	})
}

func TestAttempts_PanicsOnNil(t *testing.T) {
	defer func() { require.Contains(t, recover(), "Attempts") }()
	grpcx.Attempts(nil)
}
