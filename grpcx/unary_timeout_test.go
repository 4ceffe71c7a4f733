package grpcx_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestUnary_AttemptTimeoutRetriedAndSentToServer(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			deadline, ok := ctx.Deadline()
			require.True(t, ok)
			require.LessOrEqual(t, time.Until(deadline), time.Second)
			if n == 1 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return numbered(n), nil
		}
		p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) })
		_, err := dial(t, to, p, grpcx.WithIdempotentMethods(unaryCall)).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
		require.NoError(t, err)
		require.EqualValues(t, 2, s.calls.Load())
	})
}

func TestUnary_AttemptTimeoutOfUndeclaredNotRetried(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.unary = func(ctx context.Context, _ int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) })
		_, err := dial(t, to, p).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
		require.Equal(t, codes.DeadlineExceeded, status.Code(err))
		require.Equal(t, retry.ReasonNotIdempotent, reason(t, err))
		require.EqualValues(t, 1, s.calls.Load())
	})
}

func TestUnary_CallersDeadlineNotRetried(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.unary = func(ctx context.Context, _ int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := dial(t, to, policy(t), grpcx.WithIdempotentMethods(unaryCall)).UnaryCall(ctx, &testgrpc.SimpleRequest{})
		require.Equal(t, codes.DeadlineExceeded, status.Code(err))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, retry.ReasonDeadline, reason(t, err))
		require.EqualValues(t, 1, s.calls.Load())
	})
}

func TestUnary_CancelDuringWait(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.unary = failing(9, unavailable())
		why := errors.New("the user left")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		p := policy(t, func(c *retry.Config) { c.Backoff = backoff.Constant(time.Hour) })
		start := time.Now()
		_, err := dial(t, to, p).UnaryCall(ctx, &testgrpc.SimpleRequest{})
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, codes.Canceled, status.Code(err))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, why)
		require.ErrorContains(t, err, "down")
		require.EqualValues(t, 1, s.calls.Load())
	})
}

func TestUnary_DelayPastDeadlineReturnsLastError(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.unary = failing(9, unavailable())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		p := policy(t, func(c *retry.Config) { c.Backoff = backoff.Constant(time.Hour) })
		start := time.Now()
		_, err := dial(t, to, p).UnaryCall(ctx, &testgrpc.SimpleRequest{})
		require.Zero(t, time.Since(start))
		require.Equal(t, codes.Unavailable, status.Code(err))
		require.Equal(t, retry.ReasonDeadline, reason(t, err))
	})
}

func TestUnary_ServerNoticesDeadlineFirst(t *testing.T) {
	ctx := lateTimer{t.Context(), time.Now().Add(5 * time.Millisecond)}
	said := status.Error(codes.DeadlineExceeded, "stream terminated by RST_STREAM with error code: CANCEL")
	err := grpcx.UnaryClientInterceptor(policy(t))(ctx, unaryCall, &testgrpc.SimpleRequest{}, &testgrpc.SimpleResponse{}, nil,
		func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			time.Sleep(10 * time.Millisecond)
			return said
		})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	require.Equal(t, retry.ReasonDeadline, reason(t, err))
}

// The comment of DialOptions states it: gRPC-Go applies its own service config's timeout to each
// attempt, which to it is a call.
func TestResolverServiceConfig_TimeoutBoundsEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.unary = func(ctx context.Context, _ int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		opts := append(grpcx.DialOptions(policy(t), grpcx.WithIdempotentMethods(unaryCall)), serve(t, s),
			grpc.WithDefaultServiceConfig(`{"methodConfig":[{"name":[{}],"timeout":"1s"}]}`))
		start := time.Now()
		_, err := testgrpc.NewTestServiceClient(conn(t, "passthrough:///x", opts...)).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
		require.Equal(t, codes.DeadlineExceeded, status.Code(err))
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}
