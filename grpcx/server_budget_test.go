package grpcx_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// once is a server's budget of one retry.
var once = budget.Fleet{Burst: 1, Open: 1}

// pushback calls a server's interceptors with a handler that ends with err, or panics with it, and
// returns the trailer's pushback.
func pushback(t *testing.T, option grpcx.ServerOption, stream bool, end func() error) (said []string) {
	t.Helper()
	defer func() { _ = recover() }() // as an interceptor outside does
	if stream {
		st := &fakeStream{ctx: t.Context()}
		defer func() { said = st.trailer.Get("grpc-retry-pushback-ms") }()
		_ = grpcx.StreamServerInterceptor(option)(nil, st, &grpc.StreamServerInfo{FullMethod: outputCall},
			func(any, grpc.ServerStream) error { return end() })
		return nil
	}
	st := &transportStream{}
	defer func() { said = st.trailer.Get("grpc-retry-pushback-ms") }()
	_, _ = grpcx.UnaryServerInterceptor(option)(grpc.NewContextWithServerTransportStream(t.Context(), st), nil,
		&grpc.UnaryServerInfo{FullMethod: unaryCall}, func(context.Context, any) (any, error) { return nil, end() })
	return nil
}

type transportStream struct{ trailer metadata.MD }

func (*transportStream) Method() string               { return unaryCall }
func (*transportStream) SetHeader(metadata.MD) error  { return nil }
func (*transportStream) SendHeader(metadata.MD) error { return nil }
func (s *transportStream) SetTrailer(md metadata.MD) error {
	s.trailer = metadata.Join(s.trailer, md)
	return nil
}

func TestRetryBudget_PaysForInvitedRetries(t *testing.T) {
	for name, test := range map[string]struct {
		end  func() error
		pays bool
	}{
		"ok":                 {func() error { return nil }, false},
		"not found":          {func() error { return status.Error(codes.NotFound, "") }, false},
		"cancelled":          {func() error { return context.Canceled }, false},
		"unavailable":        {func() error { return status.Error(codes.Unavailable, "") }, true},
		"resource exhausted": {func() error { return status.Error(codes.ResourceExhausted, "") }, true},
		"aborted":            {func() error { return status.Error(codes.Aborted, "") }, true},
		"too late":           {func() error { return context.DeadlineExceeded }, true},
		"an error":           {func() error { return errors.New("a bug") }, true},
		"a panic":            {func() error { panic("a bug") }, true},
	} {
		for kind, stream := range map[string]bool{"unary": false, "stream": true} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				option := grpcx.WithRetryBudget(once)
				require.Empty(t, pushback(t, option, stream, test.end))
				want := []string(nil)
				if test.pays {
					want = []string{"-1"}
				}
				require.Equal(t, want, pushback(t, option, !stream, test.end), "one option is one budget")
			})
		}
	}
}

func TestRetryBudget_SuccessesEarnRetries(t *testing.T) {
	option := grpcx.WithRetryBudget(budget.Fleet{Ratio: 1, Burst: 1, Open: 1})
	for range 3 {
		require.Empty(t, pushback(t, option, false, unavailable))
		require.NotEmpty(t, pushback(t, option, false, unavailable))
		require.Empty(t, pushback(t, option, false, func() error { return nil }))
	}
}

func TestRetryBudget_OnePerKey(t *testing.T) {
	option := grpcx.WithRetryBudgetBy(once, func(_ context.Context, method string) string { return method })
	for _, stream := range []bool{false, true} {
		require.Empty(t, pushback(t, option, stream, unavailable))
		require.NotEmpty(t, pushback(t, option, stream, unavailable))
	}
}

// No client repeats a stream that has sent its header or a message.
func TestRetryBudget_StreamThatHasBegunIsFree(t *testing.T) {
	for name, begin := range map[string]func(grpc.ServerStream) error{
		"message": func(s grpc.ServerStream) error { return s.SendMsg(nil) },
		"header":  func(s grpc.ServerStream) error { return s.SendHeader(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			option := grpcx.WithRetryBudget(once)
			for range 3 {
				st := &fakeStream{ctx: t.Context()}
				_ = grpcx.StreamServerInterceptor(option)(nil, sending{st}, &grpc.StreamServerInfo{}, func(
					_ any, s grpc.ServerStream,
				) error {
					require.NoError(t, begin(s))
					return unavailable()
				})
				require.Empty(t, st.trailer)
			}
			require.Empty(t, pushback(t, option, true, unavailable), "there is one retry left")
		})
	}
}

// A header that gRPC-Go refuses is not sent, so a client may repeat the stream.
func TestRetryBudget_HeaderThatIsNotSentDoesNotBeginStream(t *testing.T) {
	var declined int
	option := grpcx.WithRetryBudget(once)
	for range 3 {
		st := &fakeStream{ctx: t.Context()}
		_ = grpcx.StreamServerInterceptor(option)(nil, mute{st}, &grpc.StreamServerInfo{}, func(
			_ any, s grpc.ServerStream,
		) error {
			return s.SendHeader(metadata.Pairs("k", "\x01"))
		})
		declined += len(st.trailer)
	}
	require.Equal(t, 2, declined, "there is one retry")
}

type mute struct{ *fakeStream }

func (mute) SendHeader(metadata.MD) error { return status.Error(codes.Internal, "illegal header") }

type sending struct{ *fakeStream }

func (sending) SendMsg(any) error            { return nil }
func (sending) SendHeader(metadata.MD) error { return nil }

func TestRetryBudget_PanicInKeyLeavesNothing(t *testing.T) {
	byMethod := grpcx.WithRetryBudgetBy(once, func(_ context.Context, method string) string {
		if method == "" {
			panic("a bug")
		}
		return method
	})
	serve := grpcx.UnaryServerInterceptor(grpcx.WithLoadShedding(1), byMethod)
	call := func(method string) (err error) {
		defer func() { _ = recover() }()
		_, err = serve(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: method}, func(context.Context, any) (any, error) { return nil, nil })
		return err
	}
	_ = call("")
	require.NoError(t, call(unaryCall))
}

func TestRetryBudget_ErrorNamesEachMistake(t *testing.T) {
	require.PanicsWithValue(t, "grpcx: WithRetryBudget: Open: must be between 0 (the default) and 1e6, not -1", func() {
		grpcx.WithRetryBudget(budget.Fleet{Open: -1})
	})
	require.PanicsWithValue(t, "grpcx: WithRetryBudgetBy: must not be nil", func() { grpcx.WithRetryBudgetBy(once, nil) })
}

// An unmodified gRPC-Go client with its own retries, three a call, obeys.
func TestRetryBudget_NativeClientObeys(t *testing.T) {
	s := newService()
	s.unary = failing(1<<30, unavailable())
	to := serve(t, s, interceptors(grpcx.WithRetryBudget(budget.Fleet{}))...)
	const calls = 200
	for range calls { // a connection each: native retries have a budget too
		cc := conn(t, "passthrough:///x", to, grpc.WithDefaultServiceConfig(retryConfig(`"UNAVAILABLE"`)))
		_, err := testgrpc.NewTestServiceClient(cc).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
		require.Equal(t, codes.Unavailable, status.Code(err))
		_ = cc.Close()
	}
	require.LessOrEqual(t, s.calls.Load(), int64(calls+2))
	require.Greater(t, s.calls.Load(), int64(calls), "what the budget affords is retried")
}

// A thousand processes of one call each, and a server that fails.
func TestRetryBudget_ThousandNewClientsInOutage(t *testing.T) {
	s := newService()
	s.unary = failing(1<<30, unavailable())
	to := serve(t, s, interceptors(grpcx.WithRetryBudget(budget.Fleet{}))...)
	const calls = 1000
	cc := conn(t, "passthrough:///x", to, grpc.WithDisableRetry(), grpc.WithUnaryInterceptor(fresh(t)))
	var left atomic.Int32
	left.Store(calls)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				_, _ = testgrpc.NewTestServiceClient(cc).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
			}
		})
	}
	wg.Wait()
	require.GreaterOrEqual(t, s.calls.Load(), int64(calls))
	require.LessOrEqual(t, float64(s.calls.Load()), 1.05*calls)
}

// fresh makes each call with a policy of its own.
func fresh(t *testing.T) grpc.UnaryClientInterceptor {
	return func(
		ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
	) error {
		p := policy(t, func(c *retry.Config) { c.Budget = nil })
		return grpcx.UnaryClientInterceptor(p)(ctx, method, req, reply, cc, invoke, opts...)
	}
}

func BenchmarkUnaryServer(b *testing.B) {
	info := &grpc.UnaryServerInfo{FullMethod: unaryCall}
	handler := func(context.Context, any) (any, error) { return nil, nil }
	for name, opts := range map[string][]grpcx.ServerOption{
		"plain":    nil,
		"budget":   {grpcx.WithRetryBudget(budget.Fleet{})},
		"shedding": {grpcx.WithLoadShedding(100)},
		"budget-by": {grpcx.WithRetryBudgetBy(budget.Fleet{}, func(_ context.Context, method string) string {
			return method
		})},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			serve := grpcx.UnaryServerInterceptor(opts...)
			for b.Loop() {
				_, _ = serve(b.Context(), nil, info, handler)
			}
		})
	}
}

// Attempt numbers come from strangers: none of them buys a retry.
func TestRetryBudget_ForgedAttemptNumberChangesNothing(t *testing.T) {
	for _, claim := range []string{"", "0", "1", "-1", "999", "99999999999999999999", "two"} {
		intercept := grpcx.UnaryServerInterceptor(grpcx.WithRetryBudget(budget.Fleet{}))
		granted := 0
		for range 20 {
			st := &transportStream{}
			ctx := grpc.NewContextWithServerTransportStream(t.Context(), st)
			ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("grpc-previous-rpc-attempts", claim))
			_, err := intercept(ctx, nil, &grpc.UnaryServerInfo{FullMethod: unaryCall}, func(context.Context, any) (any, error) {
				return nil, status.Error(codes.Unavailable, "")
			})
			require.Error(t, err)
			if st.trailer.Get("grpc-retry-pushback-ms") == nil {
				granted++
			}
		}
		require.Equal(t, 2, granted, claim)
	}
}
