package grpcx_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

const fullConfig = `{"methodConfig":[` +
	`{"name":[{"service":"grpc.testing.TestService","method":"UnaryCall"}],"waitForReady":true,"timeout":"1.5s",` +
	`"retryPolicy":{"maxAttempts":4,"initialBackoff":"0.1s","maxBackoff":"1s","backoffMultiplier":3,` +
	`"retryableStatusCodes":["RESOURCE_EXHAUSTED","UNAVAILABLE"]}},` +
	`{"name":[{"service":"grpc.testing.TestService"},{"service":"other.Service"}],` +
	`"hedgingPolicy":{"maxAttempts":3,"hedgingDelay":"0.05s","nonFatalStatusCodes":["INTERNAL","UNAVAILABLE"]}},` +
	`{"name":[{}],"waitForReady":false}],` +
	`"retryThrottling":{"maxTokens":100,"tokenRatio":0.25}}`

func TestServiceConfig_RoundTrip(t *testing.T) {
	ps, err := grpcx.FromServiceConfig(fullConfig)
	require.NoError(t, err)
	out, err := ps.ServiceConfig()
	require.NoError(t, err)
	require.JSONEq(t, fullConfig, out)
	conn(t, "passthrough:///x", grpc.WithDefaultServiceConfig(out)) // gRPC-Go takes it
}

func TestServiceConfig_NoThrottlingRoundTrip(t *testing.T) {
	const text = `{"methodConfig":[{"name":[{}],"timeout":"3s"}]}`
	ps, err := grpcx.FromServiceConfig(text)
	require.NoError(t, err)
	out, err := ps.ServiceConfig()
	require.NoError(t, err)
	require.JSONEq(t, text, out)
}

func TestServiceConfig_ReportsEveryMistakeWithPath(t *testing.T) {
	_, err := grpcx.FromServiceConfig(`{
		"methodConfig": [
			{"name": [{"service": "a", "method": "b"}, {"method": "c"}, {"service": "a/b"}], "timeout": "5m"},
			{"name": [{"service": "a", "method": "b"}], "waitForReady": "yes",
			 "retryPolicy": {"maxAttempts": 1, "initialBackoff": "0s", "backoffMultiplier": -1, "retryableStatusCodes": ["OOPS"]},
			 "hedgingPolicy": {"maxAttempts": 2.5, "hedgingDelay": "-1s", "nonFatalStatusCodes": ["FINE"]}},
			{"retryPolicy": {"maxAttempts": 2, "initialBackoff": 1, "maxBackoff": "1s", "backoffMultiplier": 1, "retryableStatusCodes": []}}
		],
		"retryThrottling": {"maxTokens": 1001, "tokenRatio": 0}
	}`)
	for _, mistake := range []string{
		`methodConfig[0].name[1].service: must not be empty`,
		`methodConfig[0].name[2].service: must not have a /`,
		`methodConfig[0].timeout: must be a duration like "0.25s"`,
		`methodConfig[1].name[0]: named twice`,
		`methodConfig[1].waitForReady: must be true or false`,
		`methodConfig[1].retryPolicy.maxAttempts: must be a whole number of at least 2`,
		`methodConfig[1].retryPolicy.initialBackoff: must be above 0`,
		`methodConfig[1].retryPolicy.maxBackoff: must be given`,
		`methodConfig[1].retryPolicy.backoffMultiplier: must be a number above 0`,
		`methodConfig[1].retryPolicy.retryableStatusCodes: must be names of status codes, not "OOPS"`,
		`methodConfig[1].hedgingPolicy.maxAttempts: must be a whole number of at least 2`,
		`methodConfig[1].hedgingPolicy.hedgingDelay: must not be negative`,
		`methodConfig[1].hedgingPolicy.nonFatalStatusCodes: must be names of status codes, not "FINE"`,
		`methodConfig[1].hedgingPolicy: must not be beside a retryPolicy`,
		`methodConfig[2].retryPolicy.initialBackoff: must be a duration`,
		`methodConfig[2].retryPolicy.retryableStatusCodes: must not be empty`,
		`retryThrottling.maxTokens: must be above 0 and at most 1000`,
		`retryThrottling.tokenRatio: must be a number above 0`,
	} {
		require.ErrorContains(t, err, mistake)
	}
	for _, text := range []string{``, `[]`, `{}{}`, `{"methodConfig":{}}`, `{"methodConfig":[1]}`, `{"x":1,"x":1}`, `{"methodConfig":[],"MethodConfig":[]}`} {
		_, err := grpcx.FromServiceConfig(text)
		require.Error(t, err, text)
	}
}

func TestServiceConfig_MaxTokensAtMost1000(t *testing.T) {
	_, err := grpcx.FromServiceConfig(`{"retryThrottling": {"maxTokens": 1000, "tokenRatio": 0.1}}`)
	require.NoError(t, err)
	_, err = grpcx.FromServiceConfig(`{"retryThrottling": {"maxTokens": 1001, "tokenRatio": 0.1}}`)
	require.ErrorContains(t, err, "maxTokens")
}

func retryConfig(codes string) string {
	return `{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 99, "initialBackoff": "0.001s",
		"maxBackoff": "0.001s", "backoffMultiplier": 2, "retryableStatusCodes": [` + codes + `]}}],
		"retryThrottling": {"maxTokens": 1000, "tokenRatio": 1}}`
}

func policiesOf(t *testing.T, text string) grpcx.Option {
	t.Helper()
	ps, err := grpcx.FromServiceConfig(text)
	require.NoError(t, err)
	return grpcx.WithPolicies(ps)
}

func TestServiceConfig_MaxAttemptsAbove5Means5(t *testing.T) {
	s := newService()
	s.unary = failing(99, unavailable())
	c := dial(t, serve(t, s), policy(t), policiesOf(t, retryConfig(`"UNAVAILABLE"`)))
	_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, retry.ReasonMaxAttempts, reason(t, err))
	require.EqualValues(t, 5, s.calls.Load())
}

func TestServiceConfig_RetriesListedCodesOnly(t *testing.T) {
	for code, sent := range map[codes.Code]int64{
		codes.NotFound: 5, codes.ResourceExhausted: 5, codes.Unavailable: 1, codes.Internal: 1,
	} {
		s := newService()
		s.unary = failing(99, status.Error(code, "no"))
		c := dial(t, serve(t, s), policy(t), policiesOf(t, retryConfig(`"NOT_FOUND", 8`)))
		_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
		require.Equal(t, code, status.Code(err))
		require.Equal(t, sent, s.calls.Load(), code)
	}
}

func TestServiceConfig_MostSpecificNameApplies(t *testing.T) {
	ps, err := grpcx.NewPolicies(map[string]*retry.Policy{
		"grpc.testing.TestService/UnaryCall": policy(t, attempts(4)),
		"grpc.testing.TestService":           policy(t, attempts(2)),
		"":                                   policy(t, attempts(1)),
	})
	require.NoError(t, err)
	count := func(method string) (n int) {
		call := grpcx.UnaryClientInterceptor(policy(t), grpcx.WithPolicies(ps))
		_ = call(t.Context(), method, nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			n++
			return unavailable()
		})
		return n
	}
	require.Equal(t, 4, count(unaryCall))
	require.Equal(t, 2, count(emptyCall))
	require.Equal(t, 1, count("/other/Method"))
	_, err = grpcx.NewPolicies(map[string]*retry.Policy{"//a/b": policy(t), "x": nil, "a/b/c": policy(t)})
	require.ErrorContains(t, err, `"//a/b": must be`)
	require.ErrorContains(t, err, `"x": must not be nil`)
	require.ErrorContains(t, err, `"a/b/c": must be`)
}

func TestServiceConfig_ThrottlingSharedByTarget(t *testing.T) {
	text := `{"methodConfig": [
		{"name": [{"service": "a"}], "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}},
		{"name": [{"service": "b"}], "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}],
		"retryThrottling": {"maxTokens": 6, "tokenRatio": 0.1}}`
	call := grpcx.UnaryClientInterceptor(policy(t), policiesOf(t, text))
	count := func(method string) (n int, err error) {
		err = call(t.Context(), method, nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			n++
			return unavailable()
		})
		return n, err
	}
	n, err := count("/a/x")
	require.Equal(t, 3, n, "6 tokens, each failure takes one, and 3 is not more than the half")
	require.Equal(t, retry.ReasonBudget, reason(t, err))
	n, _ = count("/b/y")
	require.Equal(t, 1, n)
}

func TestServiceConfig_TimeoutBoundsCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call := grpcx.UnaryClientInterceptor(policy(t), policiesOf(t, `{"methodConfig": [{"name": [{}], "timeout": "3s"}]}`))
		start := time.Now()
		err := call(t.Context(), unaryCall, nil, nil, nil, func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
			<-ctx.Done()
			return status.FromContextError(ctx.Err()).Err()
		})
		require.Equal(t, codes.DeadlineExceeded, status.Code(err))
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

func TestServiceConfig_CallerOverridesWaitForReady(t *testing.T) {
	call := grpcx.UnaryClientInterceptor(policy(t), policiesOf(t, `{"methodConfig": [{"name": [{}], "waitForReady": true}]}`))
	var seen []bool
	invoke := func(_ context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
		for _, o := range opts {
			if f, ok := o.(grpc.FailFastCallOption); ok {
				seen = append(seen, !f.FailFast)
			}
		}
		return nil
	}
	require.NoError(t, call(t.Context(), unaryCall, nil, nil, nil, invoke, grpc.WaitForReady(false)))
	require.Equal(t, []bool{true, false}, seen, "the last one counts")
}

func TestServiceConfig_HedgingPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call := grpcx.UnaryClientInterceptor(policy(t), policiesOf(t, `{"methodConfig": [{"name": [{}], "hedgingPolicy":
			{"maxAttempts": 3, "hedgingDelay": "1s", "nonFatalStatusCodes": ["UNAVAILABLE"]}}],
			"retryThrottling": {"maxTokens": 100, "tokenRatio": 1}}`))
		start := time.Now()
		var mu sync.Mutex
		var at []time.Duration
		reply := new(testgrpc.SimpleResponse)
		err := call(t.Context(), unaryCall, nil, reply, nil, func(ctx context.Context, _ string, _, r any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
			mu.Lock()
			at = append(at, time.Since(start))
			n := len(at)
			mu.Unlock()
			switch n {
			case 1:
				<-ctx.Done()
				return status.FromContextError(ctx.Err()).Err()
			case 2:
				return unavailable()
			}
			r.(*testgrpc.SimpleResponse).Username = "third"
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, []time.Duration{0, time.Second, time.Second}, at)
		require.Equal(t, "third", reply.Username)
		n := 0
		err = call(t.Context(), unaryCall, nil, reply, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			n++
			return status.Error(codes.Internal, "fatal")
		})
		require.Equal(t, codes.Internal, status.Code(err))
		require.Equal(t, 1, n)
	})
}

// gRFC A6: initial * multiplier^(n-1), at most max, and 0.8 to 1.2 of that.
func TestServiceConfig_BackoffFollowsA6(t *testing.T) {
	text := `{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 5, "initialBackoff": "1s", "maxBackoff": "7s",
		"backoffMultiplier": 3, "retryableStatusCodes": ["UNAVAILABLE"]}}], "retryThrottling": {"maxTokens": 100, "tokenRatio": 1}}`
	for u, want := range map[float64][]time.Duration{
		0:   {0, 800 * time.Millisecond, 2400 * time.Millisecond, 5600 * time.Millisecond, 5600 * time.Millisecond},
		0.5: {0, time.Second, 3 * time.Second, 7 * time.Second, 7 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			ps, err := grpcx.FromServiceConfig(text, retry.WithRand(func() float64 { return u }))
			require.NoError(t, err)
			call := grpcx.UnaryClientInterceptor(policy(t), grpcx.WithPolicies(ps))
			var waits []time.Duration
			last := time.Now()
			_ = call(t.Context(), unaryCall, nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
				waits = append(waits, time.Since(last).Round(time.Microsecond))
				last = time.Now()
				return unavailable()
			})
			require.Equal(t, want, waits)
		})
	}
}

func TestServiceConfig_FromPolicy(t *testing.T) {
	export := func(cfg retry.Config) (string, error) {
		ps, err := grpcx.NewPolicies(map[string]*retry.Policy{"a.B": retry.Must(retry.New(cfg))})
		require.NoError(t, err)
		return ps.ServiceConfig()
	}
	out, err := export(retry.Config{})
	require.NoError(t, err)
	require.JSONEq(t, `{"methodConfig":[{"name":[{"service":"a.B"}],"retryPolicy":{"maxAttempts":3,"initialBackoff":"0.05s",
		"maxBackoff":"20s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}],
		"retryThrottling":{"maxTokens":10,"tokenRatio":0.1}}`, out)
	out, err = export(retry.Config{MaxAttempts: retry.Unlimited, Hedge: timeout.Fixed(time.Second), Budget: budget.Unlimited{}})
	require.NoError(t, err)
	require.JSONEq(t, `{"methodConfig":[{"name":[{"service":"a.B"}],"hedgingPolicy":{"maxAttempts":5,"hedgingDelay":"1s",
		"nonFatalStatusCodes":["UNAVAILABLE"]}}]}`, out)
	_, err = export(retry.Config{
		AttemptTimeout: timeout.Fixed(1), Backoff: backoff.Linear(1, 2), Budget: budget.AWS{},
	})
	for _, what := range []string{"AttemptTimeout", "Backoff: gRPC has only exponential backoff, not linear", "Budget"} {
		require.ErrorContains(t, err, what)
	}
}

func FuzzServiceConfig(f *testing.F) {
	f.Add(fullConfig)
	f.Add(`{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":9,"initialBackoff":"1e9s"}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		ps, err := grpcx.FromServiceConfig(text)
		if err != nil {
			return
		}
		out, err := ps.ServiceConfig()
		require.NoError(t, err)
		again, err := grpcx.FromServiceConfig(out)
		require.NoError(t, err, out)
		twice, err := again.ServiceConfig()
		require.NoError(t, err)
		require.Equal(t, out, twice)
	})
}

func TestServiceConfig_ExportNamesWhatGRPCLacks(t *testing.T) {
	for name, cfgs := range map[string][]retry.Config{
		"AttemptTimeout": {{MaxAttempts: 1, AttemptTimeout: timeout.Fixed(time.Second)}},
		"HintScope":      {{MaxAttempts: 1, HintScope: "destination"}},
		"MaxElapsed":     {{MaxElapsed: time.Second}},
		"Budget":         {{MaxAttempts: 1, Budget: budget.ClientThrottle{}}},
		"the same":       {{Budget: budget.Unlimited{}}, {}},
		"Adaptive":       {{Budget: budget.Adaptive{Waste: 1}}},
		"fields":         {{Budget: budget.Adaptive{Strict: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			named := map[string]*retry.Policy{}
			for i, cfg := range cfgs {
				named[fmt.Sprintf("a.S%d", i)] = retry.Must(retry.New(cfg))
			}
			ps, err := grpcx.NewPolicies(named)
			require.NoError(t, err)
			_, err = ps.ServiceConfig()
			require.ErrorContains(t, err, name)
		})
	}
}

func TestServiceConfig_ErrorIsBounded(t *testing.T) {
	for _, text := range []string{
		`{"methodConfig": [` + strings.Repeat("1,", 100_000) + `1]}`,
		`{"methodConfig": [{"name": [` + strings.Repeat("1,", 100_000) + `1]}]}`,
	} {
		_, err := grpcx.FromServiceConfig(text)
		require.Error(t, err)
		require.Less(t, len(err.Error()), 16<<10)
	}
}
