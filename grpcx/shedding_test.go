package grpcx_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestLoadShedding_RefusesLeastCriticalFirst(t *testing.T) {
	for name, test := range map[string]struct {
		inFlight int
		md       metadata.MD
		refused  bool
	}{
		"a resend":               {5, metadata.Pairs("grpc-previous-rpc-attempts", "1", "x-criticality", "CRITICAL_PLUS"), true},
		"a resend with room":     {3, metadata.Pairs("grpc-previous-rpc-attempts", "1"), false},
		"sheddable":              {6, metadata.Pairs("x-criticality", "SHEDDABLE"), true},
		"sheddable plus":         {7, metadata.Pairs("x-criticality", "SHEDDABLE_PLUS"), true},
		"nothing said":           {8, nil, true},
		"nothing said, and room": {7, nil, false},
		"critical plus":          {9, metadata.Pairs("x-criticality", "CRITICAL_PLUS"), false},
		"full":                   {10, metadata.Pairs("x-criticality", "CRITICAL_PLUS"), true},
	} {
		t.Run(name, func(t *testing.T) {
			opts := []grpcx.ServerOption{grpcx.WithLoadShedding(10), grpcx.WithTrust(func(context.Context) bool { return true })}
			unary, stream := grpcx.UnaryServerInterceptor(opts...), grpcx.StreamServerInterceptor(opts...)
			top := metadata.NewIncomingContext(t.Context(), metadata.Pairs("x-criticality", "CRITICAL_PLUS"))
			ctx := metadata.NewIncomingContext(t.Context(), test.md)
			var err error
			st := &fakeStream{ctx: ctx}
			var within func(n int)
			within = func(n int) {
				if n == 0 {
					err = stream(nil, st, &grpc.StreamServerInfo{}, func(any, grpc.ServerStream) error { return nil })
					return
				}
				_, _ = unary(top, nil, &grpc.UnaryServerInfo{}, func(context.Context, any) (any, error) {
					within(n - 1)
					return nil, nil
				})
			}
			for range 2 { // nothing stays in flight
				within(test.inFlight)
			}
			if !test.refused {
				require.NoError(t, err)
				return
			}
			require.Equal(t, codes.ResourceExhausted, status.Code(err))
			require.Equal(t, "-1", st.trailer.Get("grpc-retry-pushback-ms")[0])
		})
	}
}

func TestCriticality_PropagatesCappedForStrangers(t *testing.T) {
	for highest, opts := range map[string][]grpcx.ServerOption{
		"CRITICAL": nil, "CRITICAL_PLUS": {grpcx.WithTrust(func(context.Context) bool { return true })},
	} {
		var seen [][]string
		leaf := newService()
		leaf.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			seen = append(seen, metadata.ValueFromIncomingContext(ctx, "x-criticality"))
			return numbered(n), nil
		}
		below := dial(t, serve(t, leaf), policy(t))
		middle := newService()
		middle.unary = func(ctx context.Context, _ int, r *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			return below.UnaryCall(ctx, r)
		}
		middle.output = func(_ int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
			_, err := below.UnaryCall(st.Context(), &testgrpc.SimpleRequest{})
			return err
		}
		c := dial(t, serve(t, middle, interceptors(opts...)...), policy(t))
		_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
		require.NoError(t, err)
		_, err = c.UnaryCall(retry.WithCriticality(t.Context(), retry.CriticalPlus), &testgrpc.SimpleRequest{})
		require.NoError(t, err)
		st, err := c.StreamingOutputCall(retry.WithCriticality(t.Context(), retry.Sheddable), &testgrpc.StreamingOutputCallRequest{})
		require.NoError(t, err)
		_, err = st.Recv()
		require.Error(t, err)
		require.Equal(t, [][]string{nil, {highest}, {"SHEDDABLE"}}, seen)
	}
}

func TestLoadShedding_ErrorNamesEachMistake(t *testing.T) {
	require.PanicsWithValue(t, "grpcx: WithLoadShedding: must be at least 1", func() { grpcx.WithLoadShedding(0) })
	require.PanicsWithValue(t, "grpcx: WithTrust: must not be nil", func() { grpcx.WithTrust(nil) })
}
