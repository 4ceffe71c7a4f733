// Command service-config takes the policies of a gRPC client from a service config, as gRPC-Go
// itself would.
package main

import (
	"context"
	"fmt"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/grpcx/fault"
	"github.com/evenkeel-go/evenkeel/retry"
)

const config = `{
	"methodConfig": [{
		"name": [{"service": "grpc.health.v1.Health", "method": "Check"}],
		"timeout": "20s",
		"retryPolicy": {
			"maxAttempts": 4, "initialBackoff": "0.01s", "maxBackoff": "1s", "backoffMultiplier": 2,
			"retryableStatusCodes": ["UNAVAILABLE", "ABORTED"]
		}
	}],
	"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}
}`

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	faults := fault.New(1, fault.Rule{Script: []bool{true, true}, Fault: fault.Fault{Code: codes.Aborted}})
	server := grpc.NewServer(grpc.UnaryInterceptor(faults.Unary))
	healthpb.RegisterHealthServer(server, health.NewServer())
	go server.Serve(listener)
	defer server.Stop()

	policies, err := grpcx.FromServiceConfig(config)
	if err != nil {
		log.Fatal(err)
	}
	others := retry.Must(retry.New(retry.Config{})) // for methods that the config does not name
	conn, err := grpc.NewClient(listener.Addr().String(), append(
		grpcx.DialOptions(others, grpcx.WithPolicies(policies)),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	)...)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	reply, err := healthpb.NewHealthClient(conn).Check(context.Background(), &healthpb.HealthCheckRequest{})
	fmt.Println("reply:", reply.GetStatus(), "error:", err, "failed before:", faults.Hits())

	// Mistakes are all reported at once, each with its path.
	_, err = grpcx.FromServiceConfig(`{"retryThrottling": {"maxTokens": 1001, "tokenRatio": -1}}`)
	fmt.Println(err)

	// Unknown fields have no effect, as in gRPC-Go, and may be misspelled ones.
	odd, err := grpcx.FromServiceConfig(`{"methodConfg": []}`)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("unknown:", odd.UnknownFields())

	// And out again, for clients without this library.
	text, err := policies.ServiceConfig()
	fmt.Println(len(text) > 0, err)
}
