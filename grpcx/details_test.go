package grpcx_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/evenkeel-go/evenkeel/grpcx"
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

// What an attempt's status costs is bounded, however much there is of it.
func TestStatusDetails_CostNextToNothing(t *testing.T) {
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

func TestStatusDetails_TheLongestRetryInfoOfTheFirstSixteenCounts(t *testing.T) {
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
