package balancer_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer/leastrequest"
	"google.golang.org/grpc/balancer/pickfirst"
	"google.golang.org/grpc/balancer/weightedroundrobin"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx/balancer"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/outlier"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestResend_GoesToAnotherBackend(t *testing.T) {
	for _, child := range []string{"round_robin", weightedroundrobin.Name, leastrequest.Name} {
		t.Run(child, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, "a", "b", "c")
				f.backends[0].do(fails(codes.Unavailable))
				f.backends[1].do(fails(codes.Unavailable))
				c := f.client(t, testkit.Immediate(t), balancer.Config{Child: child})
				settle()
				for i := range 300 {
					host, err := unary(c)
					require.NoError(t, err, "call %d", i)
					require.Equal(t, "c", host)
				}
				for _, b := range f.backends {
					assert.LessOrEqual(t, b.calls.Load(), int64(300), "%s has each call once at most", b.name)
				}
			})
		})
	}
}

func TestResend_StreamGoesToAnotherBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a", "b", "c")
		f.backends[0].do(fails(codes.Unavailable))
		f.backends[1].do(fails(codes.Unavailable))
		c := f.client(t, testkit.Immediate(t), balancer.Config{})
		settle()
		for range 100 {
			s, err := c.StreamingOutputCall(context.Background(), &testgrpc.StreamingOutputCallRequest{})
			require.NoError(t, err)
			_, err = s.Recv()
			require.NoError(t, err)
			_, err = s.Recv()
			require.ErrorIs(t, err, io.EOF)
		}
		assert.Equal(t, int64(100), f.backends[2].calls.Load())
	})
}

func TestHedge_GoesToAnotherBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a", "b")
		f.backends[0].do(hangs)
		c := f.client(t, testkit.Immediate(t, func(c *retry.Config) { c.Hedge = timeout.Fixed(50 * time.Millisecond) }),
			balancer.Config{})
		settle()
		for range 100 {
			start := time.Now()
			host, err := unary(c)
			require.NoError(t, err)
			require.Equal(t, "b", host)
			require.LessOrEqual(t, time.Since(start), 60*time.Millisecond)
		}
	})
}

func TestResend_MoreAttemptsThanBackends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a", "b", "c")
		for _, b := range f.backends {
			b.do(fails(codes.Unavailable))
		}
		c := f.client(t, testkit.Immediate(t, func(c *retry.Config) { c.MaxAttempts = 7 }), balancer.Config{})
		settle()
		_, err := unary(c)
		require.Equal(t, codes.Unavailable, status.Code(err))
		for _, n := range f.calls() {
			assert.Contains(t, []int64{2, 3}, n, "none is tried a third time before all were twice")
		}
	})
}

func TestOneBackend_NothingChanges(t *testing.T) {
	for _, child := range []string{"round_robin", pickfirst.Name} {
		t.Run(child, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, "a")
				f.backends[0].do(fails(codes.Unavailable))
				p := testkit.Immediate(t)
				c := f.client(t, p, balancer.Config{Child: child, SetAside: &outlier.Config{MaxShare: 1}})
				settle()
				for range 50 {
					_, err := unary(c)
					require.Equal(t, codes.Unavailable, status.Code(err))
				}
				assert.Equal(t, []int64{150}, f.calls())
			})
		})
	}
}

func TestPickFirst_IsNoOp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a", "b")
		c := f.client(t, testkit.Immediate(t), balancer.Config{Child: pickfirst.Name})
		settle()
		for range 10 {
			_, err := unary(c)
			require.NoError(t, err)
		}
		assert.Equal(t, []int64{10, 0}, f.calls())
	})
}

func TestWithoutInterceptors_BalancesAndSetsAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a", "b", "c")
		f.backends[0].do(fails(codes.Unavailable))
		c := f.client(t, nil, balancer.Config{SetAside: &outlier.Config{}})
		settle()
		lost := 0
		for range 300 {
			if _, err := unary(c); err != nil {
				lost++
			}
		}
		assert.Less(t, lost, 15)
	})
}

// TestEndpoint_TwoAddressesOneBackend also shows that the share of backends set aside is one
// of endpoints.
func TestEndpoint_TwoAddressesOneBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(testkit.BackendWatcher)
		f := newFleet(t, "a", "b", "c")
		s := resolver.State{}
		for _, b := range f.backends {
			s.Endpoints = append(s.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{
				{Addr: b.name + "-refused"}, {Addr: b.name},
			}})
		}
		f.resolver.InitialState(s)
		f.backends[0].do(fails(codes.Unavailable))
		f.backends[1].do(fails(codes.Unavailable))
		p, err := retry.New(retry.Config{Backoff: backoff.None(), Budget: budget.Unlimited{}}, retry.WithObserver(w))
		require.NoError(t, err)
		c := f.client(t, p, balancer.Config{SetAside: &outlier.Config{}})
		settle()
		for range 200 {
			host, err := unary(c)
			require.NoError(t, err)
			require.Equal(t, "c", host)
		}
		assert.Len(t, w.Events(), 1, "one of three")
	})
}
