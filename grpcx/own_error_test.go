package grpcx_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestOwnError_ReturnedIfNothingAdded(t *testing.T) {
	for name, err := range map[string]error{
		"a status": status.Error(codes.NotFound, "no"), "another error": io.ErrUnexpectedEOF,
		"not idempotent": status.Error(codes.Internal, "lost"),
	} {
		unary := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return err }
		got := grpcx.UnaryClientInterceptor(policy(t))(t.Context(), unaryCall, nil, nil, nil, unary)
		if name != "another error" { // which may be worth another attempt
			require.Same(t, err, got, name)
		}
		p := policy(t, attempts(1))
		require.Equal(t, err, grpcx.UnaryClientInterceptor(p)(t.Context(), unaryCall, nil, nil, nil, unary), name)
		streamer := func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
			return nil, err
		}
		_, got = grpcx.StreamClientInterceptor(p)(t.Context(), &grpc.StreamDesc{}, nil, duplexCall, streamer)
		require.Equal(t, err, got, name)
	}
}

// Every driver says the same of an attempt's own timeout.
func TestOwnError_AttemptTimeoutIsNotCancellation(t *testing.T) {
	timed := func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(50 * time.Millisecond) }
	for name, do := range map[string]func(context.Context, testgrpc.TestServiceClient) error{
		"unary": func(ctx context.Context, c testgrpc.TestServiceClient) error {
			_, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{})
			return err
		},
		"stream": func(ctx context.Context, c testgrpc.TestServiceClient) error {
			s, err := c.StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{})
			if err == nil {
				_, err = s.Recv()
			}
			return err
		},
	} {
		for _, n := range []int{1, 2} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
					s.unary = func(ctx context.Context, _ int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					s.output = func(_ int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
						<-st.Context().Done()
						return st.Context().Err()
					}
					c := dial(t, to, policy(t, timed, attempts(n)), grpcx.WithIdempotentMethods(unaryCall, outputCall))
					err := do(t.Context(), c)
					require.Equal(t, codes.DeadlineExceeded, status.Code(err))
					require.ErrorIs(t, err, timeout.ErrAttempt)
					require.NotErrorIs(t, err, context.Canceled)
					timedOut, ok := errors.AsType[interface {
						error
						Timeout() bool
					}](err)
					require.True(t, ok && timedOut.Timeout())
					// The server has the same deadline, and may reset the stream first.
					require.Regexp(t, `(context deadline exceeded|RST_STREAM with error code: CANCEL) \(evenkeel: attempt timeout of 50ms`, err.Error())
				})
			})
		}
	}
}

// As with gRPC-Go, what the server answered is the call's status although its context has ended
// since: a refusal that was there in time is no cancellation.
func TestOwnError_RefusalOutlivesContext(t *testing.T) {
	no := status.Error(codes.PermissionDenied, "no")
	declared := grpcx.WithIdempotentMethods(unaryCall, duplexCall)
	for name, change := range map[string][]func(*retry.Config){
		"unary": {}, "unary, one": {attempts(1)},
		"unary, timeout": {func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Hour) }},
		"unary, hedged":  {func(c *retry.Config) { c.Hedge = timeout.Fixed(time.Hour) }},
	} {
		for _, p := range []*retry.Policy{policy(t, change...), quiet(t, change...)} { // quiet: on the fast path
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
					s.unary = failing(1, no)
					ctx, cancel := context.WithCancel(t.Context())
					opts := append(grpcx.DialOptions(p, declared), to, grpc.WithChainUnaryInterceptor(ending(cancel)))
					_, err := testgrpc.NewTestServiceClient(conn(t, "passthrough:///test", opts...)).UnaryCall(ctx, &testgrpc.SimpleRequest{})
					require.EqualError(t, err, no.Error())
					require.Equal(t, codes.PermissionDenied, status.Code(err))
				})
			})
		}
	}
	t.Run("stream", func(t *testing.T) {
		bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
			s.duplex = func(_ int, st testgrpc.TestService_FullDuplexCallServer) error {
				st.SetTrailer(metadata.Pairs("why", "so"))
				return no
			}
			ctx, cancel := context.WithCancel(t.Context())
			opts := append(grpcx.DialOptions(policy(t), declared), to, grpc.WithChainStreamInterceptor(endingStreams(cancel)))
			stream, err := testgrpc.NewTestServiceClient(conn(t, "passthrough:///test", opts...)).FullDuplexCall(ctx)
			require.NoError(t, err)
			_, err = stream.Recv()
			require.Equal(t, codes.PermissionDenied, status.Code(err), err)
			require.NotErrorIs(t, err, context.Canceled)
			require.Equal(t, []string{"so"}, stream.Trailer()["why"])
		})
	})
	for name, failed := range map[string]error{
		"a failure that could be retried does not": unavailable(),
		"credentials that were cut short do not":   status.Error(codes.Unauthenticated, "transport: per-RPC creds failed: context canceled"),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
				cancel()
				return failed
			}
			err := grpcx.UnaryClientInterceptor(policy(t), declared)(ctx, unaryCall, nil, nil, nil, invoker)
			require.Equal(t, codes.Canceled, status.Code(err))
			require.ErrorIs(t, err, context.Canceled)
		})
	}
}

// quiet returns a policy without an observer.
func quiet(t *testing.T, change ...func(*retry.Config)) *retry.Policy {
	t.Helper()
	cfg := retry.Config{Budget: budget.Unlimited{}}
	for _, c := range change {
		c(&cfg)
	}
	p, err := retry.New(cfg)
	require.NoError(t, err)
	return p
}

// ending makes callers give up as the answer arrives.
func ending(cancel context.CancelFunc) grpc.UnaryClientInterceptor {
	return func(
		ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption,
	) error {
		defer cancel()
		return next(ctx, method, req, reply, cc, opts...)
	}
}

// endingStreams makes callers give up as a message or the end of a stream arrives.
func endingStreams(cancel context.CancelFunc) grpc.StreamClientInterceptor {
	return func(
		ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		st, err := streamer(ctx, desc, cc, method, opts...)
		return &endingStream{st, cancel}, err
	}
}

type endingStream struct {
	grpc.ClientStream
	cancel context.CancelFunc
}

func (s *endingStream) RecvMsg(m any) error {
	defer s.cancel()
	return s.ClientStream.RecvMsg(m)
}
