package grpcx_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/grpcx/fault"
	"github.com/evenkeel-go/evenkeel/retry"
)

// eager keeps the examples from waiting: real policies have jitter.
var eager = retry.Must(retry.New(retry.Config{Backoff: backoff.None()}))

// flakyHealth starts a server of gRPC's health service whose first call fails with a code, and
// returns a client of it.
func flakyHealth(code codes.Code, opts ...grpc.DialOption) (client healthpb.HealthClient, stop func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	faults := fault.New(1, fault.Rule{Script: []bool{true}, Fault: fault.Fault{Code: code}})
	server := grpc.NewServer(grpc.UnaryInterceptor(faults.Unary), grpc.StreamInterceptor(faults.Stream))
	healthpb.RegisterHealthServer(server, health.NewServer())
	go server.Serve(listener)
	conn, err := grpc.NewClient(listener.Addr().String(),
		append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		panic(err)
	}
	return healthpb.NewHealthClient(conn), func() { conn.Close(); server.Stop() }
}

func check(client healthpb.HealthClient) {
	reply, err := client.Check(context.Background(), &healthpb.HealthCheckRequest{})
	fmt.Println(reply.GetStatus(), status.Code(err))
}

// DialOptions does both, and turns gRPC-Go's own retries off.
func ExampleUnaryClientInterceptor() {
	client, stop := flakyHealth(codes.Unavailable,
		grpc.WithUnaryInterceptor(grpcx.UnaryClientInterceptor(eager)), grpc.WithDisableRetry())
	defer stop()
	check(client)
	// Output: SERVING OK
}

func ExampleStreamClientInterceptor() {
	client, stop := flakyHealth(codes.Unavailable,
		grpc.WithStreamInterceptor(grpcx.StreamClientInterceptor(eager)), grpc.WithDisableRetry())
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream, err := client.Watch(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		fmt.Println(err)
		return
	}
	reply, err := stream.Recv()
	fmt.Println(reply.GetStatus(), err)
	// Output: SERVING <nil>
}

// ABORTED is retried for methods that may be sent twice.
func ExampleWithIdempotentMethods() {
	client, stop := flakyHealth(codes.Aborted,
		grpcx.DialOptions(eager, grpcx.WithIdempotentMethods("/grpc.health.v1.Health/Check"))...)
	defer stop()
	check(client)
	// Output: SERVING OK
}

// UNAVAILABLE leaves open whether the call had its effect.
func ExampleWithStrictIdempotency() {
	client, stop := flakyHealth(codes.Unavailable, grpcx.DialOptions(eager, grpcx.WithStrictIdempotency())...)
	defer stop()
	check(client)
	// Output: UNKNOWN Unavailable
}

func ExampleNewPolicies() {
	_, err := grpcx.NewPolicies(map[string]*retry.Policy{"orders.v1.Orders/Get": eager, "/orders.v1.Orders": nil})
	fmt.Println(err != nil)
	// Output: true
}

// Each method has the policy that is named for it, the others that of DialOptions.
func ExampleWithPolicies() {
	once := retry.Must(retry.New(retry.Config{MaxAttempts: 1}))
	policies, err := grpcx.NewPolicies(map[string]*retry.Policy{"grpc.health.v1.Health/Check": once})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, stop := flakyHealth(codes.Unavailable, grpcx.DialOptions(eager, grpcx.WithPolicies(policies))...)
	defer stop()
	check(client)
	check(client)
	// Output:
	// UNKNOWN Unavailable
	// SERVING OK
}

// Without a buffer a stream that has sent something is not retried.
func ExampleWithReplayBuffer() {
	client, stop := flakyHealth(codes.Unavailable, grpcx.DialOptions(eager, grpcx.WithReplayBuffer(0))...)
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream, err := client.Watch(ctx, &healthpb.HealthCheckRequest{Service: "orders"})
	if err == nil {
		_, err = stream.Recv()
	}
	fmt.Println(status.Code(err))
	// Output: Unavailable
}

func ExampleIncomingAttempt() {
	ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs("grpc-previous-rpc-attempts", "2"))
	fmt.Println(grpcx.IncomingAttempt(ctx), grpcx.IncomingAttempt(context.Background()))
	// Output: 3 1
}

// A server's interceptors are called as gRPC does it, with a handler that says what it sees.
func handle(intercept grpc.UnaryServerInterceptor, ctx context.Context) {
	info := &grpc.UnaryServerInfo{FullMethod: "/orders.v1.Orders/Get"}
	_, _ = intercept(ctx, nil, info, func(ctx context.Context, _ any) (any, error) {
		deadline, ok := ctx.Deadline()
		fmt.Println("deadline:", ok, time.Until(deadline).Round(time.Second))
		return nil, nil
	})
}

func ExampleWithMaxDeadline() {
	handle(grpcx.UnaryServerInterceptor(grpcx.WithMaxDeadline(30*time.Second)), context.Background())
	// Output: deadline: true 30s
}

// What share of a server's load is retries?
func ExampleWithAttemptObserver() {
	intercept := grpcx.UnaryServerInterceptor(
		grpcx.WithAttemptObserver(func(_ context.Context, method string, attempt int) { fmt.Println(method, attempt) }),
		grpcx.WithMaxDeadline(time.Second),
	)
	handle(intercept, metadata.NewIncomingContext(context.Background(), metadata.Pairs("grpc-previous-rpc-attempts", "1")))
	// Output:
	// /orders.v1.Orders/Get 2
	// deadline: true 1s
}

func ExampleStreamServerInterceptor() {
	srv := grpc.NewServer(grpc.ChainStreamInterceptor(grpcx.StreamServerInterceptor()))
	srv.Stop()
	// Output:
}

// An API says in google.rpc.ErrorInfo whether a limit renews itself.
func ExampleWithClassifier() {
	byReason := func(_ context.Context, _ string, st *status.Status, o retry.Outcome) retry.Outcome {
		for _, d := range st.Details() {
			if e, ok := d.(*errdetails.ErrorInfo); ok && e.Reason == "RATE_LIMIT_EXCEEDED" {
				return retry.Outcome{Class: retry.Throttled, After: time.Second}
			}
		}
		return o
	}
	conn, err := grpc.NewClient("dns:///orders.internal:443", append(
		grpcx.DialOptions(retry.Must(retry.New(retry.Config{})), grpcx.WithClassifier(byReason)),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	)...)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(conn.Close())
	// Output: <nil>
}
