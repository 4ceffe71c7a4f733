package grpcx_test

import (
	"context"
	"errors"
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
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestUnaryRetriesUnavailableWhateverTheMethod(t *testing.T) {
	s := newService()
	s.unary = failing(2, unavailable())
	c := dial(t, serve(t, s), policy(t))
	reply, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.NoError(t, err)
	require.Equal(t, "3", reply.Username)
}

func TestUnaryDefaultPolicyRetriesAQuietClient(t *testing.T) {
	s := newService()
	s.unary = failing(2, unavailable())
	c := dial(t, serve(t, s), retry.Must(retry.New(retry.Config{Backoff: backoff.None()})))
	_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.NoError(t, err)
	require.EqualValues(t, 3, s.calls.Load())
}

func TestUnaryStrictIdempotencyWithdrawsTheConvention(t *testing.T) {
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
func TestUnaryCodes(t *testing.T) {
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

func TestUnaryResourceExhaustedWithoutAHintIsNotRetried(t *testing.T) {
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

func TestUnaryRetryInfoIsObeyedWithinBounds(t *testing.T) {
	seconds := func(s int64) *durationpb.Duration { return &durationpb.Duration{Seconds: s} }
	for name, row := range map[string]struct {
		waits []*durationpb.Duration
		least time.Duration
		sent  int64
		why   retry.Reason
	}{
		"two seconds":           {[]*durationpb.Duration{seconds(2)}, 2 * time.Second, 2, retry.ReasonSuccess},
		"the longest of many":   {[]*durationpb.Duration{seconds(1), seconds(3), seconds(2)}, 3 * time.Second, 2, retry.ReasonSuccess},
		"more than MaxHint":     {[]*durationpb.Duration{seconds(61)}, 0, 1, retry.ReasonHint},
		"huge":                  {[]*durationpb.Duration{seconds(315_576_000_000)}, 0, 1, retry.ReasonHint},
		"out of range":          {[]*durationpb.Duration{seconds(math.MaxInt64)}, 0, 1, retry.ReasonRejected},
		"negative is no hint":   {[]*durationpb.Duration{seconds(-1)}, 0, 1, retry.ReasonRejected},
		"signs that disagree":   {[]*durationpb.Duration{{Seconds: 1, Nanos: -1}}, 0, 1, retry.ReasonRejected},
		"no delay is no hint":   {[]*durationpb.Duration{nil}, 0, 1, retry.ReasonRejected},
		"zero: our own backoff": {[]*durationpb.Duration{seconds(0)}, 0, 2, retry.ReasonSuccess},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
				s.unary = failing(1, retryInfo(codes.ResourceExhausted, row.waits...))
				c := dial(t, to, policy(t), grpcx.WithIdempotentMethods(unaryCall))
				start := time.Now()
				_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
				if row.why == retry.ReasonSuccess {
					require.NoError(t, err)
				} else {
					require.Equal(t, row.why, reason(t, err))
				}
				require.Equal(t, row.sent, s.calls.Load())
				require.GreaterOrEqual(t, time.Since(start), row.least)
				require.LessOrEqual(t, time.Since(start), row.least*5/4)
			})
		})
	}
}

// bubble runs a test whose time is virtual, with a server and its clients inside.
func bubble(t *testing.T, f func(t *testing.T, s *service, to grpc.DialOption)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		f(t, s, serve(t, s))
	})
}

func TestUnaryPushbackIsHonouredAndResetsTheBackoff(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		start := time.Now()
		var at []time.Duration
		s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			at = append(at, time.Since(start).Round(time.Millisecond))
			if n == 2 {
				withTrailer(ctx, "grpc-retry-pushback-ms", "10000")
			}
			if n < 4 {
				return nil, unavailable()
			}
			return numbered(n), nil
		}
		p := policy(t, attempts(4), func(c *retry.Config) { c.Backoff = backoff.Exponential(time.Second, time.Hour) })
		_, err := dial(t, to, p).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
		require.NoError(t, err)
		require.Equal(t, []time.Duration{0, time.Second}, at[:2])
		require.GreaterOrEqual(t, at[2]-at[1], 10*time.Second)
		require.LessOrEqual(t, at[2]-at[1], 12500*time.Millisecond)
		require.Equal(t, time.Second, at[3]-at[2], "the curve starts anew")
	})
}

func TestUnaryPushbackThatIsNegativeMalformedOrTwiceMeansDoNotRetry(t *testing.T) {
	for _, values := range [][]string{
		{"-1"}, {"-2147483648"}, {""}, {"soon"}, {"1.5"}, {"0x10"}, {"99999999999999999999"}, {"2147483648"}, {"10", "10"}, {" 1"},
	} {
		s := newService()
		s.unary = func(ctx context.Context, _ int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			for _, v := range values {
				withTrailer(ctx, "grpc-retry-pushback-ms", v)
			}
			return nil, retryInfo(codes.Unavailable, durationpb.New(time.Millisecond))
		}
		_, err := dial(t, serve(t, s), policy(t)).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
		require.Equal(t, retry.ReasonNoRetry, reason(t, err), values)
		require.Equal(t, codes.Unavailable, status.Code(err))
		require.EqualValues(t, 1, s.calls.Load())
	}
}

func TestUnaryDoNotRetryCountsAsAFailure(t *testing.T) {
	s := newService()
	s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		if n <= 5 {
			withTrailer(ctx, "grpc-retry-pushback-ms", "-1")
			return nil, status.Error(codes.NotFound, "no")
		}
		return nil, unavailable()
	}
	c := dial(t, serve(t, s), policy(t, func(c *retry.Config) { c.Budget = budget.GRPC{} }))
	for range 5 {
		_, _ = c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	}
	_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.Equal(t, retry.ReasonBudget, reason(t, err), "five of ten tokens are gone")
}

func TestUnaryServerSendsHeadersAndThenFails(t *testing.T) {
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

func TestUnaryHeaderTrailerAndPeerShowTheWinningAttemptOnly(t *testing.T) {
	for name, p := range map[string]*retry.Policy{
		"plain": policy(t), "timed": policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Minute) }),
	} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
				signed(ctx, n)
				if n < 3 {
					return nil, unavailable()
				}
				return numbered(n), nil
			}
			var header, trailer metadata.MD
			var from peer.Peer
			finished := 0
			finish := grpc.OnFinish(func(err error) { finished++; require.NoError(t, err) })
			_, err := dial(t, serve(t, s), p).UnaryCall(t.Context(), &testgrpc.SimpleRequest{},
				grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&from), finish)
			require.NoError(t, err)
			require.Equal(t, []string{"3"}, header.Get("from"))
			require.Equal(t, []string{"3"}, trailer.Get("from"))
			require.NotNil(t, from.Addr)
			require.Equal(t, 1, finished)
			require.NotContains(t, trailer, "grpc-retry-pushback-ms")
		})
	}
}

func TestUnaryALostAttemptsMetadataIsNotShownWhenTheLastHasNone(t *testing.T) {
	call := grpcx.UnaryClientInterceptor(policy(t))
	n := 0
	var header, trailer metadata.MD
	reply := new(testgrpc.SimpleResponse)
	err := call(t.Context(), unaryCall, nil, reply, nil, func(_ context.Context, _ string, _, r any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
		if n++; n == 1 {
			for _, o := range opts {
				switch o := o.(type) {
				case grpc.HeaderCallOption:
					*o.HeaderAddr = metadata.Pairs("from", "1")
				case grpc.TrailerCallOption:
					*o.TrailerAddr = metadata.Pairs("from", "1")
				}
			}
			r.(*testgrpc.SimpleResponse).Username = "1"
		}
		return unavailable()
	}, grpc.Header(&header), grpc.Trailer(&trailer))
	require.Error(t, err)
	require.Equal(t, 3, n)
	require.Empty(t, header)
	require.Empty(t, trailer)
	require.Empty(t, reply.Username)
}

func TestUnaryAttemptsHeaderOnResendsOnlyAndTheCallersMetadataIsUntouched(t *testing.T) {
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

func TestUnaryAttemptsHeaderReplacesOneThatTheCallerPassesOn(t *testing.T) {
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

func TestUnaryAttemptTimeoutIsRetriedAndVisibleToTheServer(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			deadline, ok := ctx.Deadline()
			require.True(t, ok)
			require.LessOrEqual(t, time.Until(deadline), time.Second)
			if n == 1 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return numbered(n), nil
		}
		p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) })
		_, err := dial(t, to, p, grpcx.WithIdempotentMethods(unaryCall)).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
		require.NoError(t, err)
		require.EqualValues(t, 2, s.calls.Load())
	})
}

func TestUnaryAttemptTimeoutOfAnUndeclaredMethodIsNotRetried(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.unary = func(ctx context.Context, _ int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) })
		_, err := dial(t, to, p).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
		require.Equal(t, codes.DeadlineExceeded, status.Code(err))
		require.Equal(t, retry.ReasonNotIdempotent, reason(t, err))
		require.EqualValues(t, 1, s.calls.Load())
	})
}

func TestUnaryTheCallersDeadlineIsNotRetried(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.unary = func(ctx context.Context, _ int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := dial(t, to, policy(t), grpcx.WithIdempotentMethods(unaryCall)).UnaryCall(ctx, &testgrpc.SimpleRequest{})
		require.Equal(t, codes.DeadlineExceeded, status.Code(err))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, retry.ReasonDeadline, reason(t, err))
		require.EqualValues(t, 1, s.calls.Load())
	})
}

func TestUnaryCancelDuringTheWaitReturnsPromptlyWithTheCode(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.unary = failing(9, unavailable())
		why := errors.New("the user left")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		p := policy(t, func(c *retry.Config) { c.Backoff = backoff.Constant(time.Hour) })
		start := time.Now()
		_, err := dial(t, to, p).UnaryCall(ctx, &testgrpc.SimpleRequest{})
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, codes.Canceled, status.Code(err))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, why)
		require.ErrorContains(t, err, "down")
		require.EqualValues(t, 1, s.calls.Load())
	})
}

func TestUnaryADelayPastTheDeadlineReturnsTheLastErrorAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.unary = failing(9, unavailable())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		p := policy(t, func(c *retry.Config) { c.Backoff = backoff.Constant(time.Hour) })
		start := time.Now()
		_, err := dial(t, to, p).UnaryCall(ctx, &testgrpc.SimpleRequest{})
		require.Zero(t, time.Since(start))
		require.Equal(t, codes.Unavailable, status.Code(err))
		require.Equal(t, retry.ReasonDeadline, reason(t, err))
	})
}

func TestUnaryTheErrorKeepsCodeMessageAndDetails(t *testing.T) {
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

func TestUnaryAPolicyOfOneAttemptIsTransparent(t *testing.T) {
	sent := unavailable()
	call := grpcx.UnaryClientInterceptor(policy(t, attempts(1)))
	err := call(t.Context(), unaryCall, nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		return sent
	})
	require.Same(t, sent, err)
}

func TestUnaryAnExhaustedBudgetReturnsTheLastErrorWithTheReason(t *testing.T) {
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

func TestUnaryWithPolicyIsForOneCall(t *testing.T) {
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

func TestUnaryEachTargetHasABudgetOfItsOwn(t *testing.T) {
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

func TestUnaryTwoCallsWithDifferentContextsDoNotTouchEachOther(t *testing.T) {
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

func TestUnaryHedgesADeclaredMethodAndShowsTheWinnerOnly(t *testing.T) {
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

func TestUnaryAnUndeclaredMethodIsNeverHedged(t *testing.T) {
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

func TestUnaryAFastFailureAndASlowerSuccessTheSuccessWinsANotFoundIsTheAnswer(t *testing.T) {
	for code, want := range map[codes.Code]codes.Code{codes.Unavailable: codes.OK, codes.NotFound: codes.NotFound} {
		bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
			s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
				if n == 2 {
					return nil, status.Error(code, "fast")
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
			require.Equal(t, want, status.Code(err))
		})
	}
}

// Run with the race detector: attempts of one call share the caller's request and nothing else.
func TestUnaryHedgesRaceForNothing(t *testing.T) {
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

// ping is a message of a codec that is not protobuf's, and that merges into what is there.
type ping struct{ A, B string }

func TestUnaryOtherCodecsGetAReplyOfTheirOwnForEachAttempt(t *testing.T) {
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

func TestUnaryOnlyOneLayerRetriesInsideAProcessToo(t *testing.T) {
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

func TestUnaryAMessageThatCannotBeSentIsNotRetried(t *testing.T) {
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

func TestUnaryObserversAreToldOfAttemptsAndCalls(t *testing.T) {
	s := newService()
	s.unary = failing(2, unavailable())
	var seen counter
	_, err := dial(t, serve(t, s), observed(t, &seen)).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.NoError(t, err)
	require.EqualValues(t, 3, seen.attempts.Load())
	require.EqualValues(t, 1, seen.calls.Load())
}

func TestUnarySucceedingCostsOneAllocation(t *testing.T) {
	call := grpcx.UnaryClientInterceptor(retry.Must(retry.New(retry.Config{})))
	none := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil }
	ctx, opts := t.Context(), []grpc.CallOption{grpc.WaitForReady(true)}
	require.LessOrEqual(t, testing.AllocsPerRun(2000, func() { _ = call(ctx, unaryCall, nil, nil, nil, none) }), 1.0)
	require.LessOrEqual(t, testing.AllocsPerRun(2000, func() { _ = call(ctx, unaryCall, nil, nil, nil, none, opts...) }), 1.0)
}

func TestPanicsOnNonsense(t *testing.T) {
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
