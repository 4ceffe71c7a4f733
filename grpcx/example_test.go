package grpcx_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func ExampleDialOptions() {
	policy := retry.Must(retry.New(retry.Config{
		AttemptTimeout: timeout.Fixed(time.Second),
	}))
	conn, err := grpc.NewClient("dns:///orders.internal:443", append(
		grpcx.DialOptions(policy, grpcx.WithIdempotentMethods("/orders.v1.Orders/Get")),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	)...)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	// Make the generated client of conn as always.
}

func ExampleWithPolicy() {
	once := retry.Must(retry.New(retry.Config{MaxAttempts: 1}))
	call := func(conn *grpc.ClientConn, req, reply any) error {
		return conn.Invoke(context.Background(), "/orders.v1.Orders/Place", req, reply, grpcx.WithPolicy(once))
	}
	_ = call
}

// Why a call stopped is in the error, beside the status, which is the last attempt's.
func ExampleError() {
	down := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		return status.Error(codes.Unavailable, "no backend")
	}
	intercept := grpcx.UnaryClientInterceptor(retry.Must(retry.New(retry.Config{Backoff: backoff.None()})))
	err := intercept(context.Background(), "/orders.v1.Orders/Get", nil, nil, nil, down)
	fmt.Println(status.Code(err))
	var stopped *retry.Error
	if errors.As(err, &stopped) {
		fmt.Println(stopped.Reason, stopped.Attempts)
	}
	// Output:
	// Unavailable
	// max_attempts 3
}

func ExampleFromServiceConfig() {
	policies, err := grpcx.FromServiceConfig(`{
		"methodConfig": [{
			"name": [{"service": "orders.v1.Orders", "method": "Get"}],
			"timeout": "2s",
			"retryPolicy": {
				"maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
				"retryableStatusCodes": ["UNAVAILABLE", "ABORTED"]
			}
		}],
		"retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1}
	}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fallback := retry.Must(retry.New(retry.Config{}))
	_ = grpcx.DialOptions(fallback, grpcx.WithPolicies(policies))
	_, err = grpcx.FromServiceConfig(`{"retryThrottling": {"maxTokens": 1001, "tokenRatio": 0.1}}`)
	fmt.Println(err)
	// Output:
	// grpcx: bad service config: retryThrottling.maxTokens: must be above 0 and at most 1000, with at most three decimals, not 1001
}

func ExamplePolicies_ServiceConfig() {
	policies, err := grpcx.NewPolicies(map[string]*retry.Policy{
		"orders.v1.Orders/Get": retry.Must(retry.New(retry.Config{MaxAttempts: 4})),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	config, err := policies.ServiceConfig()
	fmt.Println(config, err)
	// Output:
	// {"methodConfig":[{"name":[{"service":"orders.v1.Orders","method":"Get"}],"retryPolicy":{"maxAttempts":4,"initialBackoff":"0.05s","maxBackoff":"20s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}],"retryThrottling":{"maxTokens":10,"tokenRatio":0.1}} <nil>
}

func ExampleUnaryServerInterceptor() {
	srv := grpc.NewServer(
		grpc.ChainUnaryInterceptor(grpcx.UnaryServerInterceptor(grpcx.WithMaxDeadline(30*time.Second))),
		grpc.ChainStreamInterceptor(grpcx.StreamServerInterceptor(grpcx.WithMaxDeadline(30*time.Second))),
	)
	defer srv.Stop()
	// Handlers pass their context on to the clients they call; the rest follows.
}
