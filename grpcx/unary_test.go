package grpcx_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestUnary_RetriesUnavailableForAnyMethod(t *testing.T) {
	s := newService()
	s.unary = failing(2, unavailable())
	c := dial(t, serve(t, s), policy(t))
	reply, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.NoError(t, err)
	require.Equal(t, "3", reply.Username)
}

func TestUnary_DefaultPolicyRetriesQuietClient(t *testing.T) {
	s := newService()
	s.unary = failing(2, unavailable())
	c := dial(t, serve(t, s), retry.Must(retry.New(retry.Config{Backoff: backoff.None()})))
	_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.NoError(t, err)
	require.EqualValues(t, 3, s.calls.Load())
}

func TestUnary_StrictIdempotency(t *testing.T) {
	s := newService()
	s.unary = failing(2, unavailable())
	to := serve(t, s)
	_, err := dial(t, to, policy(t), grpcx.WithStrictIdempotency()).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, retry.ReasonNotIdempotent, reason(t, err))
	require.EqualValues(t, 1, s.calls.Load())
	declared := dial(t, to, policy(t), grpcx.WithStrictIdempotency(), grpcx.WithIdempotentMethods(unaryCall))
	_, err = declared.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.NoError(t, err)
}

// The table of the package documentation, with an answer from a real server.
func TestUnary_Codes(t *testing.T) {
	type row struct{ undeclared, declared int64 }
	rows := map[codes.Code]row{
		codes.Unavailable: {3, 3}, codes.DeadlineExceeded: {1, 3}, codes.Aborted: {1, 3}, codes.Internal: {1, 3},
		codes.Unknown: {1, 3}, codes.ResourceExhausted: {1, 1}, codes.Canceled: {1, 1}, codes.Code(77): {1, 3},
	}
	for _, c := range []codes.Code{
		codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied, codes.FailedPrecondition,
		codes.OutOfRange, codes.Unimplemented, codes.DataLoss, codes.Unauthenticated,
	} {
		rows[c] = row{1, 1}
	}
	s := newService()
	to := serve(t, s)
	undeclared := dial(t, to, policy(t))
	declared := dial(t, to, policy(t), grpcx.WithIdempotentMethods(unaryCall))
	for code, want := range rows {
		s.unary = failing(math.MaxInt, status.Error(code, "no"))
		s.calls.Store(0)
		_, err := undeclared.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
		require.Equal(t, code, status.Code(err))
		require.Equal(t, want.undeclared, s.calls.Swap(0), "%v, undeclared", code)
		_, err = declared.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
		require.Equal(t, code, status.Code(err))
		require.Equal(t, want.declared, s.calls.Swap(0), "%v, declared", code)
		ctx := retry.WithIdempotency(t.Context(), retry.NotIdempotent)
		_, err = declared.UnaryCall(ctx, &testgrpc.SimpleRequest{})
		require.Equal(t, code, status.Code(err))
		require.EqualValues(t, 1, s.calls.Load(), "%v, the caller says no", code)
	}
}

func TestUnary_ResourceExhaustedNeedsHint(t *testing.T) {
	s := newService()
	s.unary = failing(math.MaxInt, status.Error(codes.ResourceExhausted, "quota"))
	c := dial(t, serve(t, s), policy(t), grpcx.WithIdempotentMethods(unaryCall))
	_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.Equal(t, retry.ReasonRejected, reason(t, err))
	require.EqualValues(t, 1, s.calls.Load())
}

func retryInfo(c codes.Code, waits ...*durationpb.Duration) error {
	st := status.New(c, "wait")
	for _, w := range waits {
		st, _ = st.WithDetails(&errdetails.RetryInfo{RetryDelay: w})
	}
	return st.Err()
}

// bubble runs a test whose time is virtual, with a server and its clients inside.
func bubble(t *testing.T, f func(t *testing.T, s *service, to grpc.DialOption)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		f(t, s, serve(t, s))
	})
}

func TestUnary_ServerSendsHeadersThenFails(t *testing.T) {
	s := newService()
	s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		if n == 1 {
			_ = grpc.SendHeader(ctx, metadata.Pairs("from", "1"))
			return nil, unavailable()
		}
		return numbered(n), nil
	}
	reply, err := dial(t, serve(t, s), policy(t)).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.NoError(t, err)
	require.Equal(t, "2", reply.Username)
}

// signed answers on the n-th call and tells in header, trailer and reply which it was.
func signed(ctx context.Context, n int) {
	_ = grpc.SetHeader(ctx, metadata.Pairs("from", fmt.Sprint(n)))
	withTrailer(ctx, "from", fmt.Sprint(n))
}

func TestUnary_AttemptsHeaderOnResendsOnly(t *testing.T) {
	s := newService()
	var seen [][]string
	s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		seen = append(seen, md.Get("grpc-previous-rpc-attempts"))
		require.Equal(t, []string{"v"}, md.Get("mine"))
		return failing(2, unavailable())(ctx, n, nil)
	}
	mine := metadata.Pairs("mine", "v")
	req := &testgrpc.SimpleRequest{ResponseSize: 7}
	_, err := dial(t, serve(t, s), policy(t)).UnaryCall(metadata.NewOutgoingContext(t.Context(), mine), req)
	require.NoError(t, err)
	require.Equal(t, [][]string{nil, {"1"}, {"2"}}, seen)
	require.Equal(t, metadata.Pairs("mine", "v"), mine)
	require.True(t, proto.Equal(&testgrpc.SimpleRequest{ResponseSize: 7}, req))
}

func TestUnary_AttemptsHeaderReplacesForwardedOne(t *testing.T) {
	s := newService()
	var last []string
	s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		last = md.Get("grpc-previous-rpc-attempts")
		return failing(1, unavailable())(ctx, n, nil)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "grpc-previous-rpc-attempts", "9")
	_, err := dial(t, serve(t, s), policy(t)).UnaryCall(ctx, &testgrpc.SimpleRequest{})
	require.NoError(t, err)
	require.Equal(t, []string{"1"}, last)
}

func TestUnary_ErrorKeepsCodeMessageDetails(t *testing.T) {
	s := newService()
	st, err := status.New(codes.Unavailable, "down").WithDetails(&errdetails.ErrorInfo{Reason: "r"})
	require.NoError(t, err)
	s.unary = failing(9, st.Err())
	_, err = dial(t, serve(t, s), policy(t)).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	got := status.Convert(err)
	require.Equal(t, codes.Unavailable, got.Code())
	require.Equal(t, "down", got.Message())
	require.Len(t, got.Details(), 1)
	require.True(t, proto.Equal(&errdetails.ErrorInfo{Reason: "r"}, got.Details()[0].(proto.Message)))
	require.ErrorContains(t, err, "(evenkeel: max_attempts after 3 attempts)")
	require.Equal(t, codes.Unavailable, status.Code(fmt.Errorf("wrapped: %w", err)))
	var e *grpcx.Error
	require.ErrorAs(t, err, &e)
	require.Len(t, e.Call.History, 3)
}

func TestUnary_OneAttemptIsTransparent(t *testing.T) {
	sent := unavailable()
	call := grpcx.UnaryClientInterceptor(policy(t, attempts(1)))
	err := call(t.Context(), unaryCall, nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		return sent
	})
	require.Same(t, sent, err)
}

func TestUnary_ExhaustedBudgetReturnsLastError(t *testing.T) {
	s := newService()
	s.unary = failing(999, unavailable())
	c := dial(t, serve(t, s), retry.Must(retry.New(retry.Config{Backoff: backoff.None()})))
	var err error
	for range 30 {
		_, err = c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	}
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, "down", status.Convert(err).Message())
	require.Equal(t, retry.ReasonBudget, reason(t, err))
	require.ErrorContains(t, err, "budget")
}

func TestUnary_WithPolicyAppliesToOneCall(t *testing.T) {
	s := newService()
	s.unary = failing(9, unavailable())
	c := dial(t, serve(t, s), policy(t))
	_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{}, grpcx.WithPolicy(policy(t, attempts(5))), grpc.WaitForReady(true))
	require.Error(t, err)
	require.EqualValues(t, 5, s.calls.Swap(0))
	_, _ = c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{}, grpcx.WithPolicy(policy(t, attempts(1))))
	require.EqualValues(t, 1, s.calls.Swap(0))
	_, _ = c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.EqualValues(t, 3, s.calls.Load())
}

func TestUnary_OneBudgetPerTarget(t *testing.T) {
	bad, good := newService(), newService()
	bad.unary = failing(999, unavailable())
	good.unary = failing(1, unavailable())
	shared := grpcx.DialOptions(retry.Must(retry.New(retry.Config{Backoff: backoff.None()})))
	client := func(s *service, target string) testgrpc.TestServiceClient {
		return testgrpc.NewTestServiceClient(conn(t, target, append([]grpc.DialOption{serve(t, s)}, shared...)...))
	}
	b, g := client(bad, "passthrough:///bad"), client(good, "passthrough:///good")
	for range 30 {
		_, _ = b.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	}
	_, err := g.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.NoError(t, err)
}

func TestUnary_CallsAreIndependent(t *testing.T) {
	s := newService()
	arrived, release := make(chan struct{}, 2), make(chan struct{})
	s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		arrived <- struct{}{}
		select {
		case <-release:
			return numbered(n), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	c := dial(t, serve(t, s), policy(t))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var first, second error
	wg.Go(func() { _, first = c.UnaryCall(ctx, &testgrpc.SimpleRequest{}) })
	wg.Go(func() { _, second = c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{}) })
	<-arrived
	<-arrived
	cancel()
	close(release)
	wg.Wait()
	require.NoError(t, second)
	if first != nil {
		require.Equal(t, codes.Canceled, status.Code(first))
	}
}

func hedging(delay time.Duration) func(*retry.Config) {
	return func(c *retry.Config) { c.Hedge = timeout.Fixed(delay) }
}

// ping is a message of a codec that is not protobuf's, and that merges into what is there.
type ping struct{ A, B string }

func TestUnary_OtherCodecsGetReplyPerAttempt(t *testing.T) {
	for name, p := range map[string]*retry.Policy{"retry": policy(t), "hedge": policy(t, hedging(time.Second))} {
		t.Run(name, func(t *testing.T) {
			call := grpcx.UnaryClientInterceptor(p, grpcx.WithIdempotentMethods(unaryCall))
			n := 0
			reply := new(ping)
			err := call(t.Context(), unaryCall, &ping{}, reply, nil, func(_ context.Context, _ string, _, r any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
				if n++; n == 1 {
					r.(*ping).A = "lost"
					return unavailable()
				}
				r.(*ping).B = "won"
				return nil
			})
			require.NoError(t, err)
			require.Equal(t, ping{B: "won"}, *reply)
		})
	}
	call := grpcx.UnaryClientInterceptor(policy(t))
	reply := map[string]int{}
	n := 0
	require.NoError(t, call(t.Context(), unaryCall, nil, reply, nil, func(_ context.Context, _ string, _, r any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		if n++; n == 1 {
			return unavailable()
		}
		r.(map[string]int)["n"] = n
		return nil
	}), "a reply that cannot be made anew is used again")
	require.Equal(t, 2, reply["n"])
}

func TestNested_OneLayerRetriesInProcess(t *testing.T) {
	n := 0
	inner := grpcx.UnaryClientInterceptor(policy(t))
	outer := grpcx.UnaryClientInterceptor(policy(t))
	invoke := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		n++
		return unavailable()
	}
	err := outer(t.Context(), unaryCall, nil, nil, nil, func(ctx context.Context, m string, req, reply any, cc *grpc.ClientConn, opts ...grpc.CallOption) error {
		return inner(ctx, m, req, reply, cc, invoke, opts...)
	})
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, 3, n)
	n = 0
	err = retry.Do(t.Context(), policy(t), func(ctx context.Context) error {
		return outer(ctx, unaryCall, nil, nil, nil, invoke)
	})
	require.Error(t, err)
	require.Equal(t, 3, n)
}

func TestUnary_UnsendableMessageNotRetried(t *testing.T) {
	s := newService()
	c := dial(t, serve(t, s), policy(t), grpcx.WithIdempotentMethods(unaryCall))
	_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{Payload: &testgrpc.Payload{Body: make([]byte, 100)}}, grpc.MaxCallSendMsgSize(10))
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	require.Equal(t, retry.ReasonRejected, reason(t, err))
	require.Equal(t, 1, stopped(t, err).Attempts)
	_, err = c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{ResponseSize: 1000}, grpc.MaxCallRecvMsgSize(10))
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	require.EqualValues(t, 1, s.calls.Load())
}

type counter struct{ attempts, calls atomic.Int64 }

func (c *counter) AttemptDone(context.Context, retry.Attempt) { c.attempts.Add(1) }
func (c *counter) CallDone(context.Context, retry.Report)     { c.calls.Add(1) }

func observed(t *testing.T, c *counter) *retry.Policy {
	t.Helper()
	p, err := retry.New(retry.Config{Backoff: backoff.None(), Budget: budget.Unlimited{}}, retry.WithObserver(c))
	require.NoError(t, err)
	return p
}

func TestUnary_ObserversSeeAttemptsAndCalls(t *testing.T) {
	s := newService()
	s.unary = failing(2, unavailable())
	var seen counter
	_, err := dial(t, serve(t, s), observed(t, &seen)).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.NoError(t, err)
	require.EqualValues(t, 3, seen.attempts.Load())
	require.EqualValues(t, 1, seen.calls.Load())
}

func TestUnary_SuccessCostsOneAllocation(t *testing.T) {
	call := grpcx.UnaryClientInterceptor(retry.Must(retry.New(retry.Config{})))
	none := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil }
	ctx, opts := t.Context(), []grpc.CallOption{grpc.WaitForReady(true)}
	require.LessOrEqual(t, testing.AllocsPerRun(2000, func() { _ = call(ctx, unaryCall, nil, nil, nil, none) }), 1.0)
	require.LessOrEqual(t, testing.AllocsPerRun(2000, func() { _ = call(ctx, unaryCall, nil, nil, nil, none, opts...) }), 1.0)
}

func TestConstructors_PanicOnInvalidArguments(t *testing.T) {
	require.PanicsWithValue(t, "grpcx: DialOptions: policy must not be nil", func() { grpcx.DialOptions(nil) })
	require.Panics(t, func() { grpcx.WithPolicy(nil) })
	for _, name := range []string{"UnaryCall", "", "/", "//", "a/", "/a/", "a/b/c", "a.*/b", "a/b*", "*/b", "**", "/*", "a.B.*"} {
		require.Panics(t, func() { grpcx.WithIdempotentMethods(name) }, name)
	}
	require.Panics(t, func() { grpcx.WithPolicies(nil) })
	require.Panics(t, func() { grpcx.WithReplayBuffer(-1) })
	require.Panics(t, func() { grpcx.WithMaxDeadline(0) })
	require.Panics(t, func() { grpcx.WithAttemptObserver(nil) })
}
