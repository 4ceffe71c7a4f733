package grpcx_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestHintScope_PanicInKeyLeavesNothing(t *testing.T) {
	stub := dial(t, serve(t, newService()), policy(t, func(c *retry.Config) { c.HintScope = "destination" }),
		grpcx.WithHintKey(func(context.Context, string) string { panic("boom") }))
	parent := testkit.NewParent()
	for name, call := range map[string]func(){
		"unary":  func() { _, _ = stub.UnaryCall(parent, &testgrpc.SimpleRequest{}) },
		"stream": func() { _, _ = stub.StreamingOutputCall(parent, &testgrpc.StreamingOutputCallRequest{}) },
	} {
		require.PanicsWithValue(t, "boom", call, name)
		require.Zero(t, parent.Registered(), name)
	}
	require.PanicsWithValue(t, "grpcx: WithHintKey: must not be nil", func() { grpcx.WithHintKey(nil) })
}

func TestHintScope_NoKeyForCallScope(t *testing.T) {
	stub := dial(t, serve(t, newService()), policy(t), grpcx.WithHintKey(func(context.Context, string) string { panic("boom") }))
	var attempts int
	_, err := stub.UnaryCall(t.Context(), &testgrpc.SimpleRequest{}, grpcx.Attempts(&attempts))
	require.NoError(t, err)
	require.Equal(t, 1, attempts)
	st, err := stub.StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	_, err = st.Recv()
	require.ErrorIs(t, err, io.EOF)
}

func TestHintScope_PushbackDelaysCallsOfKey(t *testing.T) {
	type tenant struct{}
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		limited := false
		answer := func() error {
			if limited {
				return nil
			}
			limited = true
			return retryInfo(codes.ResourceExhausted, durationpb.New(10*time.Second))
		}
		s.unary = func(_ context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			return numbered(n), answer()
		}
		s.output = func(_ int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
			return st.Send(&testgrpc.StreamingOutputCallResponse{})
		}
		stub := dial(t, to, policy(t, func(c *retry.Config) { c.HintScope = "destination" }),
			grpcx.WithIdempotentMethods("*"), grpcx.WithHintKey(func(ctx context.Context, method string) string {
				require.Contains(t, method, "/grpc.testing.TestService/")
				name, _ := ctx.Value(tenant{}).(string)
				return name
			}))
		calls := map[string]func(context.Context) error{
			"unary": func(ctx context.Context) error { _, err := stub.UnaryCall(ctx, &testgrpc.SimpleRequest{}); return err },
			"stream": func(ctx context.Context) error {
				st, err := stub.StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{})
				if err == nil {
					_, err = st.Recv()
				}
				return err
			},
		}
		of := func(name string) context.Context { return context.WithValue(t.Context(), tenant{}, name) }
		for name, call := range calls {
			limited = false
			ctx, cancel := context.WithTimeout(of("a"), time.Second)
			require.Error(t, calls["unary"](ctx), "the server asks it to wait longer than it can")
			start := time.Now()
			sent := s.calls.Load()
			err := call(ctx)
			cancel()
			require.Equal(t, codes.Unavailable, status.Code(err), name)
			require.ErrorContains(t, err, "paused after 0 attempts", name)
			require.Equal(t, retry.ReasonPaused, reason(t, err))
			require.Equal(t, sent, s.calls.Load(), name)

			require.NoError(t, call(of("b")), name)
			require.Less(t, time.Since(start), time.Second, "another tenant")
			require.NoError(t, call(of("a")), name)
			require.GreaterOrEqual(t, time.Since(start), 9*time.Second, name)
		}
	})
}
