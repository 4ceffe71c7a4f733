package grpcx_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
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
