package grpcx_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// The interceptors keep their target's policy at hand. That must neither hide from the policy's
// table that the target is in use, nor go on with a budget that nobody else finds.
func TestTarget_InUseIsKept(t *testing.T) {
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

// targets returns connections to n targets that are never dialed.
func targets(t *testing.T, n int) []*grpc.ClientConn {
	ccs := make([]*grpc.ClientConn, n)
	for i := range ccs {
		cc, err := grpc.NewClient(fmt.Sprintf("passthrough:///t%d", i), grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		t.Cleanup(func() { _ = cc.Close() })
		ccs[i] = cc
	}
	return ccs
}

// throttled is a service config whose targets have a budget for two retries each.
const throttled = `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":2,"initialBackoff":"0.001s",
	"maxBackoff":"0.001s","backoffMultiplier":1,"retryableStatusCodes":["UNAVAILABLE"]}}],
	"retryThrottling":{"maxTokens":4,"tokenRatio":0.1}}`

// fromConfig returns policies of throttled.
func fromConfig(t *testing.T) *grpcx.Policies {
	ps, err := grpcx.FromServiceConfig(throttled)
	require.NoError(t, err)
	return ps
}

// ofUser returns policies of the same budget.
func ofUser(t *testing.T) *grpcx.Policies {
	ps, err := grpcx.NewPolicies(map[string]*retry.Policy{"": retry.Must(retry.New(retry.Config{
		MaxAttempts: 2, Backoff: backoff.None(), Budget: budget.GRPC{MaxTokens: 4},
	}))})
	require.NoError(t, err)
	return ps
}

func TestPolicies_Targets(t *testing.T) {
	attempts := 0
	down := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		attempts++
		return unavailable()
	}
	up := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil }
	for name, policies := range map[string]func(*testing.T) *grpcx.Policies{"service config": fromConfig, "of the user": ofUser} {
		call := func(ps *grpcx.Policies) func(cc *grpc.ClientConn, invoke grpc.UnaryInvoker) {
			intercept := grpcx.UnaryClientInterceptor(policy(t), grpcx.WithPolicies(ps))
			return func(cc *grpc.ClientConn, invoke grpc.UnaryInvoker) {
				_ = intercept(t.Context(), unaryCall, nil, nil, cc, invoke)
			}
		}
		t.Run(name+"/a busy one keeps its budget", func(t *testing.T) {
			ccs, ps := targets(t, 1500), policies(t)
			call, other := call(ps), call(ps)
			busy := ccs[0]
			for range 10 {
				call(busy, down)
			}
			for i, cc := range ccs[1:] {
				other(cc, up)
				attempts = 0
				if i%10 == 0 {
					call(busy, down)
					require.Equal(t, 1, attempts)
				}
			}
		})
		t.Run(name+"/an outage of many is not new to each", func(t *testing.T) {
			ccs, call := targets(t, 1100), call(policies(t))
			for range 4 {
				attempts = 0
				for _, cc := range ccs {
					call(cc, down)
				}
			}
			require.LessOrEqual(t, float64(attempts)/float64(len(ccs)), 1.5, "in the fourth round")
		})
		t.Run(name+"/a drained one retries after a success", func(t *testing.T) {
			ccs, call := targets(t, 2200), call(policies(t))
			for range 5 {
				call(ccs[0], down)
			}
			for _, cc := range ccs[1:] {
				call(cc, up)
			}
			attempts = 0
			call(ccs[0], down)
			require.Equal(t, 1, attempts)
			call(ccs[0], up)
			call(ccs[0], down)
			require.Equal(t, 3, attempts)
		})
	}
}

func TestNested_OneLayerRetriesIfStatusDropped(t *testing.T) {
	sent := 0
	down := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		sent++
		return unavailable()
	}
	intercept := grpcx.UnaryClientInterceptor(policy(t))
	outer := retry.Must(retry.New(retry.Config{Backoff: backoff.None(), Budget: budget.Unlimited{}}))
	for range 2 {
		sent = 0
		require.Error(t, retry.Do(t.Context(), outer, func(ctx context.Context) error {
			if err := intercept(ctx, unaryCall, nil, nil, nil, down); err != nil {
				return errors.New("upstream: " + err.Error())
			}
			return nil
		}))
		require.Equal(t, 3, sent)
	}
	t.Run("a stream", func(t *testing.T) {
		s := newService()
		s.duplex = func(int, testgrpc.TestService_FullDuplexCallServer) error { return unavailable() }
		cc := conn(t, "passthrough:///test", append(grpcx.DialOptions(policy(t)), serve(t, s))...)
		require.Error(t, retry.Do(t.Context(), outer, func(ctx context.Context) error {
			st, err := testgrpc.NewTestServiceClient(cc).FullDuplexCall(ctx)
			if err == nil {
				_, err = st.Recv()
			}
			return errors.New("upstream: " + err.Error())
		}))
		require.EqualValues(t, 3, s.calls.Load())
	})
	t.Run("a declaration is of the call that it is passed to", func(t *testing.T) {
		sent := 0
		lost := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			sent++
			return status.Error(codes.Unavailable, "lost")
		}
		strict := grpcx.UnaryClientInterceptor(policy(t), grpcx.WithStrictIdempotency())
		once := retry.Must(retry.New(retry.Config{MaxAttempts: 1}))
		ctx := retry.WithIdempotency(t.Context(), retry.Idempotent)
		require.Error(t, retry.Do(ctx, once, func(ctx context.Context) error {
			return strict(ctx, "/a.B/C", nil, nil, nil, lost)
		}))
		require.Equal(t, 1, sent)
		sent = 0
		require.Error(t, strict(ctx, "/a.B/C", nil, nil, nil, lost))
		require.Equal(t, 3, sent)
	})
}

func TestNested_FirstAttemptInsideAnyOther(t *testing.T) {
	var seen []int
	see := func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		seen = append(seen, retry.AttemptNumber(ctx))
		return nil
	}
	intercept := grpcx.UnaryClientInterceptor(policy(t))
	outer := retry.Must(retry.New(retry.Config{Backoff: backoff.None(), Budget: budget.Unlimited{}}))
	_ = retry.Do(t.Context(), outer, func(ctx context.Context) error {
		require.NoError(t, intercept(ctx, unaryCall, nil, nil, nil, see))
		return errors.New("something else")
	})
	require.Equal(t, []int{1, 1, 1}, seen)

	seen = nil
	require.Error(t, intercept(t.Context(), unaryCall, nil, nil, nil, // an interceptor below that calls by itself
		func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
			require.NoError(t, intercept(ctx, unaryCall, nil, nil, nil, see))
			return unavailable()
		}))
	require.Equal(t, []int{1, 1, 1}, seen)
}
