package grpcx_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func retryPolicy(fields string) string {
	return `{"methodConfig":[{"name":[{}],"retryPolicy":{` + fields + `}}]}`
}

const usual = `"maxAttempts":4,"initialBackoff":".01s","maxBackoff":".01s","backoffMultiplier":1`

// Whatever gRPC-Go itself takes is taken, and comes out as something that gRPC-Go takes, too.
func TestServiceConfig_AcceptsWhatGRPCAccepts(t *testing.T) {
	for name, text := range map[string]string{
		"gRPC-Go's own example": `{"methodConfig": [{"name": [{"service": "grpc.examples.echo.Echo"}], "waitForReady": true,
			"retryPolicy": {"MaxAttempts": 4, "InitialBackoff": ".01s", "MaxBackoff": ".01s", "BackoffMultiplier": 1.0,
			"RetryableStatusCodes": [ "UNAVAILABLE" ]}}]}`,
		"all in capitals": `{"METHODCONFIG":[{"NAME":[{"SERVICE":"a.B","METHOD":"C"}],"TIMEOUT":"1s","WAITFORREADY":true,
			"RETRYPOLICY":{"MAXATTEMPTS":2,"INITIALBACKOFF":"1s","MAXBACKOFF":"1s","BACKOFFMULTIPLIER":2,"RETRYABLESTATUSCODES":[14]}}],
			"RETRYTHROTTLING":{"MAXTOKENS":10,"TOKENRATIO":0.5}}`,
		"all in small letters": `{"methodconfig":[{"name":[{"service":"a.B"}],"retrypolicy":{"maxattempts":2,"initialbackoff":"1s",
			"maxbackoff":"1s","backoffmultiplier":2,"retryablestatuscodes":["ABORTED"]}}],"retrythrottling":{"maxtokens":10,"tokenratio":0.5}}`,
		"null for everything":        `{"loadBalancingPolicy":null,"loadBalancingConfig":null,"methodConfig":null,"retryThrottling":null,"healthCheckConfig":null}`,
		"null in a method":           `{"methodConfig":[{"name":[{"service":"a.B","method":null}],"waitForReady":null,"timeout":null,"maxRequestMessageBytes":null,"retryPolicy":null}]}`,
		"null for a name":            `{"methodConfig":[{"name":[null],"timeout":"1s"}]}`,
		"null for no name":           `{"methodConfig":[{"name":null,"timeout":"1s"}]}`,
		"null for a method":          `{"methodConfig":[null]}`,
		"null for a code":            retryPolicy(usual + `,"retryableStatusCodes":[null,14]`),
		"null":                       `null`,
		"OK as a code":               retryPolicy(usual + `,"retryableStatusCodes":["OK"]`),
		"many attempts":              retryPolicy(`"maxAttempts":9007199254740993,"initialBackoff":"1s","maxBackoff":"1s","backoffMultiplier":1,"retryableStatusCodes":[14]`),
		"centuries":                  retryPolicy(`"maxAttempts":2,"initialBackoff":"315576000000s","maxBackoff":"315576000000.999999999s","backoffMultiplier":1e300,"retryableStatusCodes":[14]`),
		"a timeout of centuries":     `{"methodConfig":[{"name":[{}],"timeout":"315576000000s"}]}`,
		"no digit before the point":  `{"methodConfig":[{"name":[{}],"timeout":".5s"}]}`,
		"no digit after it":          `{"methodConfig":[{"name":[{}],"timeout":"5.s"}]}`,
		"many decimals":              `{"retryThrottling":{"maxTokens":10,"tokenRatio":0.16666666666666666}}`,
		"an exponent":                `{"retryThrottling":{"maxTokens":1e1,"tokenRatio":5.46678e-1}}`,
		"a ratio of next to nothing": `{"retryThrottling":{"maxTokens":10,"tokenRatio":1e-30}}`,
		"a ratio beyond all":         `{"retryThrottling":{"maxTokens":10,"tokenRatio":1e30}}`,
		"tokens with decimals":       `{"retryThrottling":{"maxTokens":10.56789,"tokenRatio":0.1}}`,
		"fewer than one token":       `{"retryThrottling":{"maxTokens":0.00001,"tokenRatio":0.1}}`,
		"other gRFCs (A105)":         `{"connectionScaling":{"maxConnectionsPerSubchannel":2}}`,
		"fields of nobody":           `{"x":{"y":[1]},"methodConfig":[{"name":[{"z":1,"service":"a"}],"w":null,"retryPolicy":{"v":1,` + usual + `,"retryableStatusCodes":[14]}}]}`,
		"perAttemptRecvTimeout":      retryPolicy(usual + `,"perAttemptRecvTimeout":"1s","retryableStatusCodes":[14]`),
		"message sizes":              `{"methodConfig":[{"name":[{}],"maxRequestMessageBytes":1,"MaxResponseMessageBytes":2}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if name == "many attempts" && strconv.IntSize == 32 {
				t.Skip("gRPC-Go has the number in an int, so it refuses this one itself")
			}
			conn(t, "passthrough:///x", grpc.WithDefaultServiceConfig(text)) // fails unless gRPC-Go takes it
			ps, err := grpcx.FromServiceConfig(text)
			require.NoError(t, err)
			out, err := ps.ServiceConfig()
			require.NoError(t, err)
			conn(t, "passthrough:///x", grpc.WithDefaultServiceConfig(out))
			n := 0
			call := grpcx.UnaryClientInterceptor(policy(t), grpcx.WithPolicies(ps))
			require.NoError(t, call(t.Context(), unaryCall, nil, nil, nil,
				func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { n++; return nil }))
			require.Equal(t, 1, n, "its policies can be made")
		})
	}
}

func TestServiceConfig_CodesInAnyCase(t *testing.T) {
	ps, err := grpcx.FromServiceConfig(retryPolicy(usual + `,"retryableStatusCodes":["unavailable","Not_Found"]`)) // gRFC A6; gRPC-Go refuses
	require.NoError(t, err)
	out, err := ps.ServiceConfig()
	require.NoError(t, err)
	require.Contains(t, out, `["NOT_FOUND","UNAVAILABLE"]`)
}

func TestServiceConfig_TokenRatioHasThreeDecimals(t *testing.T) {
	for ratio, want := range map[string]string{
		"0.5466": "0.546", "0.333333": "0.333", "0.16666666666666666": "0.166", "0.29": "0.29", "0.999999": "0.999", "0.0001": "0.001",
		"1.0009": "1", "5466e-4": "0.546", "2000": "1000",
	} {
		ps, err := grpcx.FromServiceConfig(`{"retryThrottling":{"maxTokens":10,"tokenRatio":` + ratio + `}}`)
		require.NoError(t, err, ratio)
		out, err := ps.ServiceConfig()
		require.NoError(t, err)
		require.JSONEq(t, `{"retryThrottling":{"maxTokens":10,"tokenRatio":`+want+`}}`, out, ratio)
	}
}

func TestServiceConfig_ListsUnknownFields(t *testing.T) {
	ps, err := grpcx.FromServiceConfig(`{"connectionScaling": {}, "loadBalancingConfig": [], "methodConfig": [{"name": []},
		{"name": [{}, {"service": "a.B", "verb": "get"}], "retyPolicy": {}, "maxRequestMessageBytes": 1,
		 "retryPolicy": {` + usual + `, "retryableStatusCodes": [14], "jitter": 0.1}}],
		"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1, "scope": "target"}}`)
	require.NoError(t, err)
	want := []string{
		"connectionScaling", "methodConfig[1].name[1].verb", "methodConfig[1].retryPolicy.jitter", "methodConfig[1].retyPolicy",
		"retryThrottling.scope",
	}
	require.ElementsMatch(t, want, ps.UnknownFields())
	require.ElementsMatch(t, want, ps.WithBudget(budget.Unlimited{}).UnknownFields())
	ps.UnknownFields()[0] = "spoilt"
	require.ElementsMatch(t, want, ps.UnknownFields())

	known, err := grpcx.FromServiceConfig(fullConfig)
	require.NoError(t, err)
	require.Empty(t, known.UnknownFields())

	var many strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&many, `, "a%d": 0`, i)
	}
	full, err := grpcx.FromServiceConfig(`{"methodConfig": [{"name": []` + many.String() + `}]` + many.String() + `}`)
	require.NoError(t, err)
	require.LessOrEqual(t, len(full.UnknownFields()), 64)
}

// timed is a policy that sends each attempt again after a second without an answer.
const timed = `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":3,"initialBackoff":"0.001s","maxBackoff":"0.001s",
	"backoffMultiplier":1,"perAttemptRecvTimeout":"1s","retryableStatusCodes":["NOT_FOUND"]}}]}`

func TestServiceConfig_PerAttemptRecvTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			if n < 3 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return numbered(n), nil
		}
		start := time.Now()
		reply, err := dial(t, serve(t, s), policy(t), policiesOf(t, timed)).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
		require.NoError(t, err)
		require.Equal(t, "3", reply.Username)
		require.InDelta(t, 2*time.Second, time.Since(start), float64(10*time.Millisecond))
	})
	t.Run("and comes out again", func(t *testing.T) {
		ps, err := grpcx.FromServiceConfig(timed)
		require.NoError(t, err)
		out, err := ps.ServiceConfig()
		require.NoError(t, err)
		require.JSONEq(t, timed, out)
	})
	t.Run("of nothing is a mistake", func(t *testing.T) {
		for _, d := range []string{`"0s"`, `"-1s"`, `1`, `"1m"`} {
			_, err := grpcx.FromServiceConfig(strings.Replace(timed, `"1s"`, d, 1))
			require.ErrorContains(t, err, "methodConfig[0].retryPolicy.perAttemptRecvTimeout: must be", d)
		}
	})
	t.Run("a policy's own still has no place", func(t *testing.T) {
		ps, err := grpcx.NewPolicies(map[string]*retry.Policy{"": policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(1) })})
		require.NoError(t, err)
		_, err = ps.ServiceConfig()
		require.ErrorContains(t, err, "AttemptTimeout")
	})
}

func TestServiceConfig_HonorsWithMaxCallAttempts(t *testing.T) {
	for name, row := range map[string]struct {
		opts []grpc.DialOption
		sent int64
	}{
		"unset": {nil, 5}, "8": {[]grpc.DialOption{grpc.WithMaxCallAttempts(8)}, 8}, "2": {[]grpc.DialOption{grpc.WithMaxCallAttempts(2)}, 2},
		"more than the config": {[]grpc.DialOption{grpc.WithMaxCallAttempts(1000)}, 99},
		"nonsense":             {[]grpc.DialOption{grpc.WithMaxCallAttempts(-1)}, 5},
	} {
		for kind, call := range calls {
			t.Run(name+", "+kind, func(t *testing.T) {
				s := newService()
				s.unary = failing(999, unavailable())
				s.output = func(int, *testgrpc.StreamingOutputCallRequest, testgrpc.TestService_StreamingOutputCallServer) error {
					return unavailable()
				}
				opts := append(grpcx.DialOptions(policy(t), policiesOf(t, retryConfig(`"UNAVAILABLE"`))), serve(t, s))
				err := call(t.Context(), conn(t, "passthrough:///x", append(opts, row.opts...)...))
				require.Equal(t, codes.Unavailable, status.Code(err))
				require.Equal(t, row.sent, s.calls.Load())
			})
		}
	}
	t.Run("hedges", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newService()
			s.unary = func(ctx context.Context, _ int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			hedged := policiesOf(t, `{"methodConfig":[{"name":[{}],"hedgingPolicy":{"maxAttempts":9,"hedgingDelay":"0.1s"}}],
				"retryThrottling":{"maxTokens":1000,"tokenRatio":1}}`)
			opts := append(grpcx.DialOptions(policy(t), hedged), serve(t, s), grpc.WithMaxCallAttempts(7))
			err := calls["unary"](within(t, time.Minute), conn(t, "passthrough:///x", opts...))
			require.Equal(t, codes.DeadlineExceeded, status.Code(err))
			require.EqualValues(t, 7, s.calls.Load())
		})
	})
}

func TestServiceConfig_WithBudget(t *testing.T) {
	ps, err := grpcx.FromServiceConfig(strings.Replace(retryConfig(`"UNAVAILABLE"`), `1000`, `2`, 1))
	require.NoError(t, err)
	none := ps.WithBudget(budget.Unlimited{})
	for name, row := range map[string]struct {
		*grpcx.Policies
		sent int64
	}{"its own": {ps, 10}, "none": {none, 50}} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			s.unary = failing(999, unavailable())
			c := dial(t, serve(t, s), policy(t), grpcx.WithPolicies(row.Policies))
			for range 10 {
				_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
				require.Equal(t, codes.Unavailable, status.Code(err))
			}
			require.Equal(t, row.sent, s.calls.Load())
		})
	}
	out, err := none.ServiceConfig()
	require.NoError(t, err)
	require.NotContains(t, out, "retryThrottling")
	require.PanicsWithValue(t, "grpcx: WithBudget: must not be nil", func() { ps.WithBudget(nil) })
	require.Panics(t, func() { ps.WithBudget(budget.Adaptive{Waste: -1}) })
}
