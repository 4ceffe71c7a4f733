package grpcx_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/httpx"
)

const retriesRefusals = `{"methodConfig": [{"name": [{}], "retryPolicy": {
	"maxAttempts": 4, "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1,
	"retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]
}}]}`

// A server may serve gRPC through net/http, behind httpx.Handler. What that refuses is not sent
// again, by a client that does not know of evenkeel either.
func TestHTTPHandler_RefusalEndsPlainClientsCall(t *testing.T) {
	svc, held, entered := newService(), make(chan struct{}), make(chan struct{})
	svc.unary = func(_ context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		close(entered)
		<-held
		return numbered(n), nil
	}
	srv := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(srv, svc)
	t.Cleanup(srv.Stop)
	var requests atomic.Int64
	h := httpx.Handler(srv, httpx.WithLoadShedding(1))
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		h.ServeHTTP(w, r)
	}))
	web.Config.Protocols = new(http.Protocols)
	web.Config.Protocols.SetUnencryptedHTTP2(true)
	web.Start()
	t.Cleanup(web.Close)
	plain := testgrpc.NewTestServiceClient(conn(t, web.Listener.Addr().String(), grpc.WithDefaultServiceConfig(retriesRefusals)))

	ctx := within(t, time.Minute)
	answered := make(chan error, 1)
	go func() {
		_, err := plain.UnaryCall(ctx, &testgrpc.SimpleRequest{})
		answered <- err
	}()
	<-entered
	_, err := plain.UnaryCall(ctx, &testgrpc.SimpleRequest{})
	require.Equal(t, codes.ResourceExhausted, status.Code(err), err)
	require.EqualValues(t, 2, requests.Load())
	close(held)
	require.NoError(t, <-answered)
}
