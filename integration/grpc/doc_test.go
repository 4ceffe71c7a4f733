// Package grpc_test tests grpcx against gRPC proxies as Debian packages them, and against a
// network that fails.
package grpc_test
