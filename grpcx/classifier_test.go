package grpcx_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// byReason classifies by the reason of a status's google.rpc.ErrorInfo.
func byReason(_ context.Context, _ string, st *status.Status, o retry.Outcome) retry.Outcome {
	for _, d := range st.Details() {
		info, ok := d.(*errdetails.ErrorInfo)
		switch {
		case !ok:
		case info.Reason == "RATE_LIMIT_EXCEEDED":
			return retry.Outcome{Class: retry.Throttled, After: 30 * time.Second}
		case info.Reason == "QUOTA_SPENT":
			return retry.Outcome{Class: retry.Rejected, Alive: true}
		}
	}
	return o
}

func detailed(t testing.TB, code codes.Code, details ...protoadapt.MessageV1) error {
	st, err := status.New(code, "no").WithDetails(details...)
	require.NoError(t, err)
	return st.Err()
}

func TestClassifier_DecidesByStatusDetails(t *testing.T) {
	declared := []grpcx.Option{grpcx.WithIdempotentMethods("*")}
	reasoned := func(code codes.Code, reason string) error {
		return detailed(t, code, &errdetails.ErrorInfo{Reason: reason, Domain: "acme.test"})
	}
	const limited, spent, halfAMinute = "RATE_LIMIT_EXCEEDED", "QUOTA_SPENT", 30 * time.Second
	for name, test := range map[string]struct {
		err  error
		opts []grpcx.Option
		wait time.Duration
		why  retry.Reason
	}{
		"retried after all":       {reasoned(codes.ResourceExhausted, limited), declared, halfAMinute, retry.ReasonSuccess},
		"of another code":         {reasoned(codes.PermissionDenied, limited), declared, halfAMinute, retry.ReasonSuccess},
		"rejected after all":      {reasoned(codes.Unavailable, spent), declared, 0, retry.ReasonRejected},
		"as the table has it":     {reasoned(codes.Unavailable, "OTHER"), declared, 0, retry.ReasonSuccess},
		"no details":              {detailed(t, codes.NotFound), declared, 0, retry.ReasonRejected},
		"not declared idempotent": {reasoned(codes.PermissionDenied, limited), nil, 0, retry.ReasonNotIdempotent},
	} {
		for way, call := range map[string]func(context.Context, testgrpc.TestServiceClient) error{
			"unary": func(ctx context.Context, c testgrpc.TestServiceClient) error {
				_, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{})
				return err
			},
			"stream": readAll,
		} {
			t.Run(way+"/"+name, func(t *testing.T) {
				bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
					s.unary = failing(1, test.err)
					s.output = failingStream(1, test.err)
					c := dial(t, to, policy(t), append(test.opts, grpcx.WithClassifier(byReason))...)
					start := time.Now()
					err := call(t.Context(), c)
					if test.why == retry.ReasonSuccess {
						require.NoError(t, err)
					} else {
						require.Equal(t, test.why, reason(t, err))
						require.Equal(t, status.Code(test.err), status.Code(err))
					}
					require.GreaterOrEqual(t, time.Since(start), test.wait)
					require.LessOrEqual(t, time.Since(start), test.wait*5/4)
				})
			})
		}
	}
}

// failingStream does for a server's stream what failing does.
func failingStream(
	times int, err error,
) func(int, *testgrpc.StreamingOutputCallRequest, testgrpc.TestService_StreamingOutputCallServer) error {
	return func(n int, _ *testgrpc.StreamingOutputCallRequest, _ testgrpc.TestService_StreamingOutputCallServer) error {
		if n <= times {
			return err
		}
		return nil
	}
}

// readAll makes a streaming call and reads it to its end.
func readAll(ctx context.Context, c testgrpc.TestServiceClient) error {
	st, err := c.StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{})
	for err == nil {
		_, err = st.Recv()
	}
	if err == io.EOF {
		return nil
	}
	return err
}

func TestClassifier_NotCalledIfOutcomeCertain(t *testing.T) {
	refuse := grpcx.WithClassifier(func(context.Context, string, *status.Status, retry.Outcome) retry.Outcome {
		panic("asked")
	})
	t.Run("do not retry", func(t *testing.T) {
		s := newService()
		s.unary = func(ctx context.Context, _ int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			withTrailer(ctx, "grpc-retry-pushback-ms", "-1")
			return nil, unavailable()
		}
		_, err := dial(t, serve(t, s), policy(t), refuse).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
		require.Equal(t, retry.ReasonNoRetry, reason(t, err))
	})
	t.Run("nothing was sent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			call := grpcx.UnaryClientInterceptor(policy(t, attempts(2)), refuse)
			err := call(t.Context(), unaryCall, nil, nil, nil,
				func(_ context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
					opened(opts, nil, nil)
					return draining
				})
			require.Equal(t, codes.Unavailable, status.Code(err))
		})
	})
	require.Panics(t, func() { grpcx.WithClassifier(nil) })
}

func TestClassifier_GetsMethodAndContext(t *testing.T) {
	type key struct{}
	s := newService()
	s.unary = failing(1, status.Error(codes.NotFound, "not yet"))
	c := dial(t, serve(t, s), policy(t), grpcx.WithIdempotentMethods("*"), grpcx.WithClassifier(
		func(ctx context.Context, method string, _ *status.Status, o retry.Outcome) retry.Outcome {
			if method == unaryCall && ctx.Value(key{}) == "soon" {
				return retry.Outcome{Class: retry.Transient}
			}
			return o
		},
	))
	_, err := c.UnaryCall(context.WithValue(t.Context(), key{}, "soon"), &testgrpc.SimpleRequest{})
	require.NoError(t, err)
	require.EqualValues(t, 2, s.calls.Load())
}
