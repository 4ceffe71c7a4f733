package grpc_test

import (
	"io"
	"strings"
	"testing"
	"time"

	toxi "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// network returns a connection to the backend that can be made to fail.
func network(t *testing.T) *toxi.Proxy {
	t.Helper()
	server := toxi.NewServer(toxi.NewMetricsContainer(nil), zerolog.New(io.Discard))
	p := toxi.NewProxy(server, "backend", freeAddress(t), backend(t))
	require.NoError(t, p.Start())
	t.Cleanup(p.Stop)
	return p
}

// gRPC-Go dials again after its own backoff, a second at first and then longer: the call goes on
// until it does.
func TestToxiproxy_CutConnectionRetried(t *testing.T) {
	proxy := network(t)
	p := retry.Must(retry.New(retry.Config{
		MaxAttempts: retry.Unlimited, Backoff: backoff.Constant(50 * time.Millisecond), Budget: budget.Unlimited{},
	}))
	c := client(t, proxy.Listen, grpcx.DialOptions(p, grpcx.WithIdempotentMethods("*"))...)
	_, err := c.EmptyCall(t.Context(), &testgrpc.Empty{})
	require.NoError(t, err)
	proxy.Stop()
	time.AfterFunc(200*time.Millisecond, func() { _ = proxy.Start() })
	_, err = c.EmptyCall(t.Context(), &testgrpc.Empty{})
	require.NoError(t, err)
}

// A network that swallows everything: the attempt timeout ends each attempt, and the call goes
// through once it heals.
func TestToxiproxy_BlackHoleTimedOut(t *testing.T) {
	proxy := network(t)
	p := retry.Must(retry.New(retry.Config{
		MaxAttempts: retry.Unlimited, Backoff: backoff.Constant(10 * time.Millisecond), AttemptTimeout: timeout.Fixed(200 * time.Millisecond),
		Budget: budget.Unlimited{},
	}))
	c := client(t, proxy.Listen, grpcx.DialOptions(p, grpcx.WithIdempotentMethods("/grpc.testing.TestService/EmptyCall", "/grpc.testing.TestService/StreamingOutputCall"))...)
	_, err := c.EmptyCall(t.Context(), &testgrpc.Empty{})
	require.NoError(t, err)
	_, err = proxy.Toxics.AddToxicJson(strings.NewReader(`{"name": "hole", "type": "timeout", "attributes": {"timeout": 0}}`))
	require.NoError(t, err)
	heal := time.AfterFunc(500*time.Millisecond, func() { proxy.Stop(); proxy.Toxics.ResetToxics(t.Context()); _ = proxy.Start() })
	defer heal.Stop()
	st, err := c.StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	_, err = st.Recv()
	require.Equal(t, io.EOF, err, "it asked for no messages")
	_, err = c.EmptyCall(t.Context(), &testgrpc.Empty{})
	require.NoError(t, err)
}

func TestToxiproxy_ResetsStopAtMaxAttempts(t *testing.T) {
	proxy := network(t)
	_, err := proxy.Toxics.AddToxicJson(strings.NewReader(`{"name": "reset", "type": "reset_peer", "attributes": {"timeout": 0}}`))
	require.NoError(t, err)
	p := retry.Must(retry.New(retry.Config{Backoff: backoff.Constant(time.Millisecond)}))
	_, err = client(t, proxy.Listen, grpcx.DialOptions(p)...).EmptyCall(t.Context(), &testgrpc.Empty{})
	require.Equal(t, codes.Unavailable, status.Code(err))
	var e *retry.Error
	require.ErrorAs(t, err, &e)
	require.LessOrEqual(t, e.Attempts, 5)
}
