package grpcx_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/test/bufconn"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// The calls that a connection carried when it was cut are all made again, under the default
// policy.
func TestCutConnection_LosesNoCall(t *testing.T) {
	for _, takes := range []time.Duration{100 * time.Millisecond, time.Second} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { cutConnection(t, takes) })
		})
	}
}

func cutConnection(t *testing.T, takes time.Duration) {
	const calls = 50
	var served atomic.Int32
	s := newService()
	s.unary = func(context.Context, int, *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		served.Add(1)
		time.Sleep(takes)
		return &testgrpc.SimpleResponse{}, nil
	}
	l := bufconn.Listen(1 << 20)
	srv := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(srv, s)
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(l) })
	t.Cleanup(func() {
		srv.Stop()
		serving.Wait()
	})
	var mu sync.Mutex
	var conns []net.Conn
	to := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		c, err := l.DialContext(ctx)
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, c)
		return c, err
	})
	client := dial(t, to, retry.Must(retry.New(retry.Config{})), grpcx.WithIdempotentMethods(unaryCall))
	get := func() error {
		_, err := client.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
		return err
	}
	require.NoError(t, get())
	require.Len(t, conns, 1)

	var all sync.WaitGroup
	var saved atomic.Int32
	for range calls {
		all.Go(func() {
			if err := get(); err == nil {
				saved.Add(1)
			}
		})
	}
	time.Sleep(takes / 2)
	require.EqualValues(t, 1+calls, served.Load())
	mu.Lock()
	require.Len(t, conns, 1, "on one connection")
	conns[0].Close()
	mu.Unlock()
	all.Wait()
	require.EqualValues(t, calls, saved.Load())
	require.EqualValues(t, 1+2*calls, served.Load(), "each is sent again once")
}
