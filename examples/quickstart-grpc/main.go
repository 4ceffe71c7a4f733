// Command quickstart-grpc is a gRPC client with retries, against a server that fails.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/grpcx/fault"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func main() {
	address, stop := failingServer()
	defer stop()

	policy, err := retry.New(retry.Config{AttemptTimeout: timeout.Fixed(5 * time.Second)})
	if err != nil {
		log.Fatal(err)
	}
	declared := grpcx.WithIdempotentMethods("grpc.health.v1.Health/*") // may be sent twice
	conn, err := grpc.NewClient(address, append(grpcx.DialOptions(policy, declared),
		grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	client := healthpb.NewHealthClient(conn)

	check(client, "")           // UNAVAILABLE twice, then an answer
	check(client, "no-service") // an answer, if an unwelcome one
}

func check(client healthpb.HealthClient, service string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // for all attempts together
	defer cancel()
	reply, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: service})
	var stopped *retry.Error
	switch {
	case err == nil:
		fmt.Println("OK:", reply.Status)
	case errors.As(err, &stopped):
		fmt.Printf("%s after %d attempt(s): %s\n", status.Code(err), stopped.Attempts, stopped.Reason)
	default:
		fmt.Println("error:", err)
	}
}

// failingServer serves gRPC's own health service, and fails the first two calls.
func failingServer() (address string, stop func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	faults := fault.New(1, fault.Rule{Script: []bool{true, true}, Fault: fault.Fault{Code: codes.Unavailable}})
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(grpcx.UnaryServerInterceptor(), faults.Unary))
	healthpb.RegisterHealthServer(server, health.NewServer())
	go server.Serve(listener)
	return listener.Addr().String(), server.Stop
}
