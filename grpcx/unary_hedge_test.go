package grpcx_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
)

func TestUnary_HedgeShowsWinnerOnly(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			signed(ctx, n)
			if n == 1 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return numbered(n), nil
		}
		c := dial(t, to, policy(t, hedging(time.Second)), grpcx.WithIdempotentMethods(unaryCall))
		var header, trailer metadata.MD
		finished := 0
		start := time.Now()
		reply, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{},
			grpc.Header(&header), grpc.Trailer(&trailer), grpc.OnFinish(func(error) { finished++ }))
		require.NoError(t, err)
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, "2", reply.Username)
		require.Equal(t, []string{"2"}, header.Get("from"))
		require.Equal(t, []string{"2"}, trailer.Get("from"))
		require.Equal(t, 1, finished)
	})
}

func TestUnary_UndeclaredMethodNeverHedged(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.unary = func(_ context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			time.Sleep(time.Minute)
			return numbered(n), nil
		}
		_, err := dial(t, to, policy(t, hedging(time.Second))).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
		require.NoError(t, err)
		require.EqualValues(t, 1, s.calls.Load())
	})
}

func TestUnary_Hedging(t *testing.T) {
	for name, row := range map[string]struct{ fast, want codes.Code }{
		"slow_success_beats_fast_unavailable": {codes.Unavailable, codes.OK},
		"fast_not_found_is_the_answer":        {codes.NotFound, codes.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
				s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
					if n == 2 {
						return nil, status.Error(row.fast, "fast")
					}
					select {
					case <-time.After(5 * time.Second):
						return numbered(n), nil
					case <-ctx.Done():
						return nil, ctx.Err()
					}
				}
				c := dial(t, to, policy(t, attempts(2), hedging(time.Second)), grpcx.WithIdempotentMethods(unaryCall))
				_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
				require.Equal(t, row.want, status.Code(err))
			})
		})
	}
}

// Run with the race detector: attempts of one call share the caller's request and nothing else.
func TestUnary_HedgesHaveNoDataRace(t *testing.T) {
	s := newService()
	s.unary = func(ctx context.Context, n int, r *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		signed(ctx, n)
		if n%3 == 0 {
			return nil, unavailable()
		}
		return &testgrpc.SimpleResponse{Payload: r.Payload, Username: fmt.Sprint(n)}, nil
	}
	c := dial(t, serve(t, s), policy(t, attempts(4), hedging(1)), grpcx.WithIdempotentMethods(unaryCall))
	req := &testgrpc.SimpleRequest{Payload: &testgrpc.Payload{Body: make([]byte, 100_000)}}
	var wg sync.WaitGroup
	var failed atomic.Int64
	for range 4 {
		wg.Go(func() {
			for range 50 {
				var header, trailer metadata.MD
				reply, err := c.UnaryCall(t.Context(), req, grpc.Header(&header), grpc.Trailer(&trailer))
				if err != nil {
					failed.Add(1)
					continue
				}
				reply.Payload.Body[0]++ // the caller's own
				require.Equal(t, []string{reply.Username}, header.Get("from"))
				require.Equal(t, []string{reply.Username}, trailer.Get("from"))
			}
		})
	}
	wg.Wait()
	require.Less(t, failed.Load(), int64(50))
}

func TestUnary_PrefilledForeignReplyNotHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for reply, sent := range map[*ping]int64{{}: 2, {A: "default"}: 1} {
			call := grpcx.UnaryClientInterceptor(policy(t, hedging(time.Second)), grpcx.WithIdempotentMethods(unaryCall))
			var n atomic.Int64
			want := reply.A
			err := call(t.Context(), unaryCall, nil, reply, nil, func(ctx context.Context, _ string, _, r any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
				if n.Add(1) == 1 {
					select {
					case <-time.After(2 * time.Second):
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				r.(*ping).B = "merged"
				return nil
			})
			require.NoError(t, err)
			require.Equal(t, ping{A: want, B: "merged"}, *reply)
			require.Equal(t, sent, n.Load())
		}
	})
}
