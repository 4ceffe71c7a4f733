package grpcx_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

var errUnavailable = status.Error(codes.Unavailable, "down")

// BenchmarkUnary measures what the interceptor adds, over an invoker that does nothing.
func BenchmarkUnary(b *testing.B) {
	ctx := context.Background()
	none := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil }
	policy := retry.Must(retry.New(retry.Config{}))
	b.Run("ok", func(b *testing.B) {
		b.ReportAllocs()
		call := grpcx.UnaryClientInterceptor(policy)
		for b.Loop() {
			_ = call(ctx, "/pkg.Service/Method", nil, nil, nil, none)
		}
	})
	b.Run("ok-parallel", func(b *testing.B) {
		b.ReportAllocs()
		call := grpcx.UnaryClientInterceptor(policy)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_ = call(ctx, "/pkg.Service/Method", nil, nil, nil, none)
			}
		})
	})
	b.Run("ok-option", func(b *testing.B) {
		b.ReportAllocs()
		call := grpcx.UnaryClientInterceptor(policy)
		for b.Loop() {
			_ = call(ctx, "/pkg.Service/Method", nil, nil, nil, none, grpcx.WithPolicy(policy))
		}
	})
	free := retry.Must(retry.New(retry.Config{Backoff: backoff.None(), Budget: budget.Unlimited{}}))
	b.Run("one-fail", func(b *testing.B) {
		b.ReportAllocs()
		call := grpcx.UnaryClientInterceptor(free)
		n := 0
		fail := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			if n++; n%2 == 1 {
				return errUnavailable
			}
			return nil
		}
		for b.Loop() {
			_ = call(ctx, "/pkg.Service/Method", nil, nil, nil, fail)
		}
	})
}

// BenchmarkEndToEnd measures 16 concurrent callers over loopback whose calls all succeed.
func BenchmarkEndToEnd(b *testing.B) {
	for name, opts := range map[string][]grpc.DialOption{
		"bare":     nil,
		"evenkeel": grpcx.DialOptions(retry.Must(retry.New(retry.Config{}))),
	} {
		b.Run(name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(b, err)
			srv := grpc.NewServer()
			testgrpc.RegisterTestServiceServer(srv, newService())
			go func() { _ = srv.Serve(l) }()
			defer srv.Stop()
			c := testgrpc.NewTestServiceClient(conn(b, l.Addr().String(), opts...))
			b.ReportAllocs()
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := c.EmptyCall(context.Background(), &testgrpc.Empty{}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
