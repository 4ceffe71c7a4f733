package http

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/evenkeel-go/evenkeel/httpx"
)

func TestHandler_GRPCsServeHTTP(t *testing.T) {
	g := grpc.NewServer()
	checks := &checker{Server: health.NewServer()}
	healthpb.RegisterHealthServer(g, checks)
	s := httptest.NewUnstartedServer(httpx.Handler(g, httpx.WithMaxTimeout(time.Minute)))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	defer g.Stop()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	conn, err := grpc.NewClient(strings.TrimPrefix(s.URL, "https://"),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "example.com"})))
	require.NoError(t, err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	client := healthpb.NewHealthClient(conn)
	resp, err := client.Check(ctx, &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, healthpb.HealthCheckResponse_SERVING, resp.Status)
	require.LessOrEqual(t, checks.left, time.Minute, "bounded by the Handler")
	watch, err := client.Watch(ctx, &healthpb.HealthCheckRequest{}) // a stream: each message has to be flushed
	require.NoError(t, err)
	first, err := watch.Recv()
	require.NoError(t, err)
	require.Equal(t, healthpb.HealthCheckResponse_SERVING, first.Status)
}

// checker notes how much time a call has.
type checker struct {
	*health.Server
	left time.Duration
}

func (c *checker) Check(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	deadline, _ := ctx.Deadline()
	c.left = time.Until(deadline)
	return c.Server.Check(ctx, r)
}
