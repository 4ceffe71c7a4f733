package grpcx_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func detail(t testing.TB, m any) *anypb.Any {
	t.Helper()
	var a *anypb.Any
	var err error
	switch m := m.(type) {
	case time.Duration:
		a, err = anypb.New(&errdetails.RetryInfo{RetryDelay: durationpb.New(m)})
	case int: // so many bytes
		a, err = anypb.New(&errdetails.DebugInfo{StackEntries: make([]string, m/2)})
	case *anypb.Any:
		a = m
	}
	require.NoError(t, err)
	return a
}

func statusWith(t testing.TB, details ...any) error {
	t.Helper()
	st := &spb.Status{Code: int32(codes.ResourceExhausted), Message: "no"}
	for _, d := range details {
		st.Details = append(st.Details, detail(t, d))
	}
	return status.FromProto(st).Err()
}

func TestUnary_RetryInfoIsObeyedWithinBounds(t *testing.T) {
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

func TestUnary_PushbackResetsBackoff(t *testing.T) {
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

func TestUnary_InvalidPushbackMeansDoNotRetry(t *testing.T) {
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

func TestUnary_DoNotRetryCountsAsFailure(t *testing.T) {
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

func TestPushback_ZeroRetriesAtOnce(t *testing.T) {
	s := newService()
	s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		if n < 5 {
			_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", "0"))
			return nil, unavailable()
		}
		return numbered(n), nil
	}
	p := policy(t, attempts(5), func(c *retry.Config) { c.Backoff = backoff.Constant(time.Hour) })
	_, err := dial(t, serve(t, s), p).UnaryCall(within(t, time.Minute), &testgrpc.SimpleRequest{})
	require.NoError(t, err)
}

func FuzzPushback(f *testing.F) {
	f.Add("-1", "", 1)
	f.Add("100", "100", 2)
	f.Fuzz(func(t *testing.T, one, two string, values int) {
		md := metadata.MD{}
		switch values {
		case 1:
			md["grpc-retry-pushback-ms"] = []string{one}
		case 2:
			md["grpc-retry-pushback-ms"] = []string{one, two}
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		call := grpcx.UnaryClientInterceptor(policy(t, attempts(2), func(c *retry.Config) { c.MaxHint = 1 }))
		n := 0
		err := call(ctx, unaryCall, nil, nil, nil, func(_ context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
			n++
			opened(opts, nil, md)
			return unavailable()
		})
		require.Equal(t, codes.Unavailable, status.Code(err))
		if values == 2 {
			require.Equal(t, 1, n)
		}
	})
}

// What an attempt's status costs is bounded, however much there is of it.
func TestStatusDetails_CostIsBounded(t *testing.T) {
	var many []any
	for range 50 {
		many = append(many, 200_000)
	}
	huge := detail(t, time.Second)
	huge.Value = append(huge.Value, make([]byte, 10<<20)...)
	for name, err := range map[string]error{
		"fifty":              statusWith(t, many...),
		"sixteen":            statusWith(t, many[:16]...),
		"wrapped":            fmt.Errorf("inner: %w", statusWith(t, many...)),
		"a RetryInfo of 10M": statusWith(t, huge),
	} {
		t.Run(name, func(t *testing.T) {
			call := grpcx.UnaryClientInterceptor(policy(t, attempts(1)))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got := call(t.Context(), unaryCall, nil, nil, nil,
				func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return err })
			runtime.ReadMemStats(&after)
			require.ErrorIs(t, got, err)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10))
		})
	}
}

func TestStatusDetails_LongestRetryInfoOfSixteen(t *testing.T) {
	other := func(d time.Duration, url string) *anypb.Any {
		a := detail(t, d)
		a.TypeUrl = url
		return a
	}
	var last, beyond []any
	for range 15 {
		last = append(last, 10)
	}
	beyond = append(append(beyond, last...), 10, time.Second)
	for name, row := range map[string]struct {
		details []any
		wait    time.Duration // 0: none is asked for, and the call is not sent again
	}{
		"one":                    {[]any{time.Second}, time.Second},
		"the longest":            {[]any{time.Second, 3 * time.Second, 2 * time.Second}, 3 * time.Second},
		"the sixteenth":          {append(last, time.Second), time.Second},
		"the seventeenth":        {beyond, 0},
		"another prefix":         {[]any{other(time.Second, "example.com/a/google.rpc.RetryInfo")}, time.Second},
		"another type":           {[]any{other(time.Second, "type.googleapis.com/google.rpc.QuotaFailure")}, 0},
		"a name like it":         {[]any{other(time.Second, "type.googleapis.com/my.google.rpc.RetryInfo")}, 0},
		"negative":               {[]any{-time.Second}, 0},
		"malformed":              {[]any{&anypb.Any{TypeUrl: "type.googleapis.com/google.rpc.RetryInfo", Value: []byte{0xff}}}, 0},
		"malformed and one good": {[]any{&anypb.Any{TypeUrl: "x/google.rpc.RetryInfo", Value: []byte{0xff}}, time.Second}, time.Second},
		"none":                   {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService()
				s.unary = failing(1, statusWith(t, row.details...))
				start := time.Now()
				_, err := dial(t, serve(t, s), policy(t), grpcx.WithIdempotentMethods(unaryCall)).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
				if row.wait == 0 {
					require.Equal(t, codes.ResourceExhausted, status.Code(err))
					require.EqualValues(t, 1, s.calls.Load())
					return
				}
				require.NoError(t, err)
				require.GreaterOrEqual(t, time.Since(start), row.wait)
				require.LessOrEqual(t, time.Since(start), row.wait*5/4)
			})
		})
	}
}

// gRPC-Go makes UNAVAILABLE of a proxy's 429 and 503.
func TestUnary_ProxyThatLimitsRequests(t *testing.T) {
	for code, class := range map[string]retry.Class{"429": retry.Throttled, "503": retry.Transient} {
		t.Run(code, func(t *testing.T) {
			var streams atomic.Int64
			cc := conn(t, "passthrough:///x", append(grpcx.DialOptions(policy(t)), wire(t, &streams, func(s *wireStream) {
				s.headers(true, ":status", code, "content-type", "text/html")
			}))...)
			err := cc.Invoke(t.Context(), unaryCall, in("x"), in(""))
			require.Equal(t, codes.Unavailable, status.Code(err))
			require.Equal(t, class, stopped(t, err).History[0].Class)
			require.EqualValues(t, 3, streams.Load())
		})
	}
}
