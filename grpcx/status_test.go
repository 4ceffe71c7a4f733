package grpcx_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
)

// watched returns a policy of two attempts that w observes.
func watched(w *testkit.Watcher) *retry.Policy {
	return retry.Must(retry.New(
		retry.Config{MaxAttempts: 2, Backoff: backoff.None(), Budget: budget.Unlimited{}}, retry.WithObserver(w),
	))
}

func statuses(w *testkit.Watcher) (got []string) {
	for _, a := range w.Attempts {
		got = append(got, a.Status)
	}
	return got
}

func TestUnary_StatusInObserversAndErrors(t *testing.T) {
	s := newService()
	s.unary = failing(3, unavailable())
	w := &testkit.Watcher{}
	client := dial(t, serve(t, s), watched(w))
	_, err := client.UnaryCall(within(t, 5*time.Second), &testgrpc.SimpleRequest{})
	require.EqualError(t, err, "rpc error: code = Unavailable desc = down (evenkeel: max_attempts after 2 attempts)")
	require.Equal(t, "gRPC Unavailable", stopped(t, err).History[0].Status)
	_, err = client.UnaryCall(within(t, 5*time.Second), &testgrpc.SimpleRequest{})
	require.NoError(t, err)
	require.Equal(t, []string{"gRPC Unavailable", "gRPC Unavailable", "gRPC Unavailable", "gRPC OK"}, statuses(w))
	require.True(t, w.Attempts[2].Retrying)
	require.Equal(t, "attempt 2 of 2 succeeded (gRPC OK)", w.Attempts[3].String())
}

func TestStream_StatusInObserversAndErrors(t *testing.T) {
	s := newService()
	s.duplex = func(int, testgrpc.TestService_FullDuplexCallServer) error { return unavailable() }
	w := &testkit.Watcher{}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	st, err := dial(t, serve(t, s), watched(w)).FullDuplexCall(ctx)
	require.NoError(t, err)
	_, err = st.Recv()
	require.EqualError(t, err, "rpc error: code = Unavailable desc = down (evenkeel: max_attempts after 2 attempts)")
	require.Equal(t, []string{"gRPC Unavailable", "gRPC Unavailable"}, statuses(w))
	require.Equal(t, "attempt 1 of 2 failed (gRPC Unavailable), retrying in 0s", w.Attempts[0].String())
	require.Equal(t, "attempt 2 of 2 failed (gRPC Unavailable)", w.Attempts[1].String())
}
