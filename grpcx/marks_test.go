package grpcx_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// each makes a unary call and opens a stream whose attempts all end with err below our
// interceptors, the stream at its opening or when it is received from, of a method that is
// declared or not.
func each(t *testing.T, err error, opt grpcx.Option, change func(*retry.Config), check func(t *testing.T, name string, sent int, got error)) {
	t.Helper()
	p := policy(t, change)
	n := 0
	got := grpcx.UnaryClientInterceptor(p, opt)(t.Context(), unaryCall, nil, nil, nil,
		func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { n++; return err })
	check(t, "unary", n, got)
	n = 0
	open := streams(&n, func(context.Context) (grpc.ClientStream, error) { return nil, err })
	_, got = grpcx.StreamClientInterceptor(p, opt)(t.Context(), bidi, nil, duplexCall, open)
	check(t, "stream, opening", n, got)
	n = 0
	open = streams(&n, func(ctx context.Context) (grpc.ClientStream, error) { return dead(ctx, nil, err), nil })
	st, opened := grpcx.StreamClientInterceptor(p, opt)(t.Context(), bidi, nil, duplexCall, open)
	require.NoError(t, opened)
	check(t, "stream, receiving", n, st.RecvMsg(both("")))
}

var declareAll = grpcx.WithIdempotentMethods("*")

func TestMarks_PermanentEndsCall(t *testing.T) {
	for name, err := range map[string]error{
		"UNAVAILABLE": retry.Permanent(unavailable()),
		"wrapped":     fmt.Errorf("auth: %w", retry.Permanent(status.Error(codes.Internal, "no"))),
		"joined":      errors.Join(unavailable(), retry.Permanent(errors.New("no"))),
		"no status":   retry.Permanent(errors.New("no")),
		"and a wait":  retry.After(retry.Permanent(unavailable()), time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			each(t, err, declareAll, attempts(3), func(t *testing.T, name string, sent int, got error) {
				require.Equal(t, 1, sent, name)
				require.Equal(t, retry.ReasonRejected, reason(t, got), name)
				require.ErrorIs(t, got, err, name)
			})
		})
	}
}

func TestMarks_AfterWaitsForAnyCode(t *testing.T) {
	for name, row := range map[string]struct {
		err  error
		sent int
		opt  grpcx.Option
	}{
		"UNAVAILABLE":          {retry.After(unavailable(), time.Second), 3, declareAll},
		"RESOURCE_EXHAUSTED":   {retry.After(status.Error(codes.ResourceExhausted, "no"), time.Second), 3, declareAll},
		"NOT_FOUND":            {fmt.Errorf("not yet: %w", retry.After(status.Error(codes.NotFound, "no"), time.Second)), 3, declareAll},
		"no status":            {retry.After(errors.New("no"), time.Second), 3, declareAll},
		"not twice":            {retry.After(status.Error(codes.NotFound, "no"), time.Second), 1, grpcx.WithReplayBuffer(100)},
		"not without the mark": {status.Error(codes.NotFound, "no"), 1, declareAll},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				each(t, row.err, row.opt, attempts(3), func(t *testing.T, name string, sent int, got error) {
					require.Equal(t, row.sent, sent, name)
					require.ErrorIs(t, got, row.err, name)
					waited := time.Since(start)
					require.GreaterOrEqual(t, waited, time.Duration(row.sent-1)*time.Second, name)
					require.LessOrEqual(t, waited, time.Duration(row.sent-1)*1250*time.Millisecond, name)
					start = time.Now()
				})
			})
		})
	}
	t.Run("too long", func(t *testing.T) {
		short := func(c *retry.Config) { c.MaxHint = time.Millisecond }
		each(t, retry.After(unavailable(), time.Second), declareAll, short, func(t *testing.T, name string, sent int, got error) {
			require.Equal(t, 1, sent, name)
			require.Equal(t, retry.ReasonHint, reason(t, got), name)
		})
	})
}

// picks is a load balancer whose picks end with an error as long as there is one.
type picks struct{ err func() error }

func (p *picks) Build(info base.PickerBuildInfo) balancer.Picker {
	if len(info.ReadySCs) == 0 {
		return base.NewErrPicker(balancer.ErrNoSubConnAvailable)
	}
	for sc := range info.ReadySCs {
		return &pick{sc, p.err}
	}
	return nil
}

type pick struct {
	sc  balancer.SubConn
	err func() error
}

func (p *pick) Pick(balancer.PickInfo) (balancer.PickResult, error) {
	return balancer.PickResult{SubConn: p.sc}, p.err()
}

// gRFC A54: a pick that ends with a status is a drop, and no other is made. What an interceptor
// sees of it is that status, which tells unless it is UNAVAILABLE.
func TestMarks_DroppedPickNotRetried(t *testing.T) {
	var err error
	picked := 0
	balancer.Register(base.NewBalancerBuilder("picks", &picks{func() error { picked++; return err }}, base.Config{}))
	const config = `{"loadBalancingConfig": [{"picks": {}}]}`
	listed, bad := grpcx.FromServiceConfig(`{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 3, "initialBackoff": "0.001s",
		"maxBackoff": "0.001s", "backoffMultiplier": 1, "retryableStatusCodes": [1, 2, 3, 4, 5, 7, 8, 9, 10, 13, 14, 16]}}]}`)
	require.NoError(t, bad)
	for name, row := range map[string]struct {
		err   error
		picks int
	}{
		"RESOURCE_EXHAUSTED":          {status.Error(codes.ResourceExhausted, "shed"), 1},
		"DEADLINE_EXCEEDED":           {status.Error(codes.DeadlineExceeded, "shed"), 1},
		"PERMISSION_DENIED":           {status.Error(codes.PermissionDenied, "shed"), 1},
		"INTERNAL":                    {status.Error(codes.Internal, "shed"), 1},
		"ABORTED, which is forbidden": {status.Error(codes.Aborted, "shed"), 1},
		"by xDS":                      {status.Error(codes.Unavailable, "RPC is dropped"), 1},
		"by a circuit breaker of xDS": {status.Error(codes.Unavailable, "max requests 8 exceeded on service c"), 1},
		"by grpclb":                   {status.Error(codes.Unavailable, "request dropped by grpclb"), 1},
		"by a balancer that says so":  {retry.Permanent(status.Error(codes.Unavailable, "shed")), 1},
		"no connection":               {errors.New("no connection"), 3},
	} {
		for kind, call := range calls {
			for how, opt := range map[string]grpcx.Option{"declared": declareAll, "listed": grpcx.WithPolicies(listed.WithBudget(budget.Unlimited{}))} {
				t.Run(name+", "+kind+", "+how, func(t *testing.T) {
					picked, err = 0, row.err
					opts := append(grpcx.DialOptions(policy(t), opt), serve(t, newService()), grpc.WithDefaultServiceConfig(config))
					require.Error(t, call(within(t, time.Minute), conn(t, "passthrough:///x", opts...)))
					require.Equal(t, row.picks, picked)
				})
			}
		}
	}
}

// Credentials that fail with UNAVAILABLE are asked again, as gRPC-Go does under a retryPolicy:
// nothing was sent, and where they come from may be up again. Others may be wrong for good, as is
// what says so.
func TestMarks_FailingCredentials(t *testing.T) {
	for name, row := range map[string]struct {
		err  error
		sent int
	}{
		"UNAVAILABLE":            {status.Error(codes.Unavailable, "no token for now"), 3},
		"UNAVAILABLE, permanent": {retry.Permanent(status.Error(codes.Unavailable, "no token for you")), 1},
		"UNAUTHENTICATED":        {status.Error(codes.Unauthenticated, "no token"), 1},
		"no status":              {errors.New("no token"), 1},
		"no status, after":       {retry.After(errors.New("no token"), time.Millisecond), 1}, // gRPC-Go keeps the text alone
		"a status, after":        {retry.After(status.Error(codes.Internal, "no token"), time.Millisecond), 3},
	} {
		for kind, call := range calls {
			t.Run(name+", "+kind, func(t *testing.T) {
				for how, opts := range map[string][]grpc.DialOption{
					"of the connection": {grpc.WithPerRPCCredentials(badCreds{row.err})},
					"of the call":       {grpc.WithDefaultCallOptions(grpc.PerRPCCredentials(badCreds{row.err}))},
				} {
					s := newService()
					cc := conn(t, "passthrough:///x", append(append(grpcx.DialOptions(policy(t)), serve(t, s)), opts...)...)
					err := call(within(t, time.Minute), cc)
					require.Equal(t, row.sent, sentBy(t, err), "%s: %v", how, err)
					require.Zero(t, s.calls.Load())
				}
			})
		}
	}
}

// An authority that the certificate does not cover is refused by the client with UNAVAILABLE, and
// would be again.
func TestMarks_WrongAuthority(t *testing.T) {
	cert, pool := certificate(t)
	l, s := tcp(t), newService()
	listen(t, l, s, grpc.Creds(credentials.NewServerTLSFromCert(&cert)))
	trust := grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(pool, "test"))
	cc, err := grpc.NewClient(l.Addr().String(), append(grpcx.DialOptions(policy(t), declareAll), trust)...)
	require.NoError(t, err)
	defer cc.Close()
	_, err = testgrpc.NewTestServiceClient(cc).UnaryCall(within(t, time.Minute), &testgrpc.SimpleRequest{}, grpc.CallAuthority("other"))
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, 1, sentBy(t, err), "%v", err)
	require.Equal(t, retry.ReasonRejected, reason(t, err))
}
