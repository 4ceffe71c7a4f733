package grpcx_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// The interceptors keep their target's policy at hand. That must neither hide from the policy's table that the target is
// in use, nor go on with a budget that nobody else finds.
func TestATargetInUseIsNotForgotten(t *testing.T) {
	p, err := retry.New(retry.Config{MaxAttempts: 1}, retry.WithMaxDestinations(10))
	require.NoError(t, err)
	cc := conn(t, refused, grpcx.DialOptions(p)...)
	c := testgrpc.NewTestServiceClient(cc)
	call := func() { _, _ = c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{}) }
	call()
	busy := p.For(cc.Target())
	for i := range 100 {
		call()
		p.For(fmt.Sprintf("%d.test", i))
	}
	require.Same(t, busy, p.For(cc.Target()), "it was in use all the time")
}
