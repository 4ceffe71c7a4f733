package grpcx

import (
	"google.golang.org/grpc"

	"github.com/evenkeel-go/evenkeel/retry"
)

// DialOptions makes a ClientConn's calls follow p: both client interceptors, chained behind those
// already given, and gRPC-Go's own retries off, so that there is one layer. What remains of
// gRPC-Go's own are its transparent retries: an attempt that never left the client is sent again
// without limit, and one that the server refused unprocessed is sent again once. Neither shows up
// in p's observers. Of a service config that the resolver gives, retryPolicy is off too, but its
// timeout is gRPC-Go's to apply, and bounds each attempt: give it to FromServiceConfig to bound
// calls.
//
// grpc.WithMaxCallAttempts beside these options bounds the attempts of policies from
// FromServiceConfig, as it does gRPC-Go's own.
//
// It panics if p is nil.
func DialOptions(p *retry.Policy, opts ...Option) []grpc.DialOption {
	c := newClient("DialOptions", p, opts)
	return []grpc.DialOption{
		grpc.WithDisableRetry(),
		grpc.WithChainUnaryInterceptor(c.unary),
		grpc.WithChainStreamInterceptor(c.stream),
	}
}

// UnaryClientInterceptor makes unary calls follow p. Use DialOptions unless the connection's own
// retries are turned off elsewhere. It panics if p is nil.
func UnaryClientInterceptor(p *retry.Policy, opts ...Option) grpc.UnaryClientInterceptor {
	return newClient("UnaryClientInterceptor", p, opts).unary
}

// StreamClientInterceptor makes streams follow p; see DialOptions and the package documentation.
// Streams are not hedged. An observer of p may use the stream it is told of once the call has
// stopped, and not before: it is told of an attempt that another follows while the stream waits.
// It panics if p is nil.
func StreamClientInterceptor(p *retry.Policy, opts ...Option) grpc.StreamClientInterceptor {
	return newClient("StreamClientInterceptor", p, opts).stream
}
