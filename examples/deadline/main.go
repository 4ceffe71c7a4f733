// Command deadline sends a request through three services, HTTP to gRPC to HTTP. The caller's
// deadline goes all the way, and only the service next to the fault retries: 3 attempts, not 27.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

var client = &http.Client{Transport: httpx.NewTransport(nil, nil)} // stands for one in each service

func main() {
	backend := httptest.NewServer(httpx.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		report(r.Context(), "backend", httpx.Attempt(r.Context()))
		w.WriteHeader(http.StatusInternalServerError)
	})))
	defer backend.Close()

	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(grpcx.UnaryServerInterceptor()))
	healthpb.RegisterHealthServer(server, &middle{backend: backend.URL})
	go server.Serve(listener)
	defer server.Stop()

	policy := retry.Must(retry.New(retry.Config{}))
	conn := must(grpc.NewClient(listener.Addr().String(), append(grpcx.DialOptions(policy),
		grpc.WithTransportCredentials(insecure.NewCredentials()))...))
	defer conn.Close()
	front := httptest.NewServer(httpx.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		report(r.Context(), "front", httpx.Attempt(r.Context()))
		_, err := healthpb.NewHealthClient(conn).Check(r.Context(), &healthpb.HealthCheckRequest{})
		http.Error(w, fmt.Sprint(err), http.StatusBadGateway)
	})))
	defer front.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	resp := must(client.Do(must(http.NewRequestWithContext(ctx, http.MethodGet, front.URL, nil))))
	stopped, _ := httpx.ReportFrom(resp.Request.Context())
	fmt.Printf("client: %s after %d attempt(s): %s\n", resp.Status, stopped.Attempts, stopped.Reason)
}

type middle struct {
	healthpb.UnimplementedHealthServer
	backend string
}

func (m *middle) Check(ctx context.Context, _ *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	report(ctx, "middle", grpcx.IncomingAttempt(ctx)) // services need only pass their context on
	resp := must(client.Do(must(http.NewRequestWithContext(ctx, http.MethodGet, m.backend, nil))))
	defer resp.Body.Close()
	return nil, status.Error(codes.Unavailable, "the backend says "+resp.Status)
}

func report(ctx context.Context, where string, attempt int) {
	_, known := ctx.Deadline()
	fmt.Printf("%s: attempt %d, the deadline is known: %v\n", where, attempt, known)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
