package main

import (
	"context"
	"time"

	middleware "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/retry"
	"google.golang.org/grpc"
)

func middlewareOptions(r rules) []middleware.CallOption {
	// WithMax counts attempts, whatever its documentation says. The codes are its default.
	opts := []middleware.CallOption{
		middleware.WithMax(uint(r.attempts)), middleware.WithBackoff(middleware.BackoffLinear(r.delay)),
	}
	if r.timeout > 0 {
		opts = append(opts, middleware.WithPerRetryTimeout(r.timeout))
	}
	return opts
}

var middlewareLibrary = &library{
	name:   "go-grpc-middleware",
	module: "github.com/grpc-ecosystem/go-grpc-middleware/v2",
	unary: func(r rules) grpc.UnaryClientInterceptor {
		return middleware.UnaryClientInterceptor(middlewareOptions(r)...)
	},
	dial: func(r rules) []grpc.DialOption {
		return []grpc.DialOption{
			grpc.WithDisableRetry(),
			grpc.WithUnaryInterceptor(middleware.UnaryClientInterceptor(middlewareOptions(r)...)),
			grpc.WithStreamInterceptor(middleware.StreamClientInterceptor(middlewareOptions(r)...)),
		}
	},
	streams: true,
	delay: func(base, limit time.Duration) func(int) time.Duration {
		b := middleware.BackoffExponentialWithJitterBounded(base, 0.25, limit)
		return func(n int) time.Duration { return b(context.Background(), uint(n)) }
	},
}
