package budget_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
)

func TestJSON(t *testing.T) {
	for text, spec := range map[string]budget.Spec{
		`{"adaptive":{}}`: budget.Adaptive{},
		`{"adaptive":{"unanswered":4,"waste":0.05,"patience":"500ms","waiting":100,"strict":true}}`: budget.Adaptive{
			Unanswered: 4, Waste: 0.05, Patience: 500 * time.Millisecond, Waiting: 100, Strict: true,
		},
		`{"token_bucket":{"cap":10,"on_success":true,"ratio":0.2}}`: budget.TokenBucket{
			Ratio: 0.2, Cap: 10, OnSuccess: true,
		},
		`{"grpc":{"max_tokens":1000,"token_ratio":0.125}}`: budget.GRPC{
			MaxTokens: 1000, TokenRatio: 0.125,
		},
		`{"aws":{"mode":"2026"}}`: budget.AWS{Mode: budget.AWS2026},
		`{"finagle":{"min_per_second":-1,"ratio":0.1,"ttl":"5s"}}`: budget.Finagle{
			TTL: 5 * time.Second, Ratio: 0.1, MinPerSecond: -1,
		},
		`{"concurrency":{"min":10,"ratio":0.25}}`: budget.Concurrency{
			Ratio: 0.25, Min: 10,
		},
		`{"ratio":{"window":"1m0s"}}`: budget.Ratio{Window: time.Minute},
		`{"client_throttle":{"k":1.1,"retries":{"grpc":{"max_tokens":20}}}}`: budget.ClientThrottle{
			K: 1.1, Retries: budget.GRPC{MaxTokens: 20},
		},
		`{"unlimited":{}}`: budget.Unlimited{},
	} {
		got, err := budget.UnmarshalSpec([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, spec, got)
		back, err := budget.MarshalSpec(spec)
		require.NoError(t, err, text)
		require.JSONEq(t, text, string(back))
	}
	bare, err := budget.UnmarshalSpec([]byte(`"finagle"`))
	require.NoError(t, err)
	require.Equal(t, budget.Finagle{}, bare)
}

func TestJSON_SpecsWithoutName(t *testing.T) {
	for _, s := range []budget.Spec{nil, budget.Shared(budget.Adaptive{}.New())} {
		_, err := budget.MarshalSpec(s)
		require.Error(t, err)
	}
}

func TestJSON_ErrorListsEveryPath(t *testing.T) {
	for text, want := range map[string][]string{
		`{"adaptive":{"waste":2,"unanswered":-1,"patience":"2m","waiting":-1}}`: {
			"adaptive.waste: must", "adaptive.unanswered: must", "adaptive.patience: must", "adaptive.waiting: must",
		},
		`{"adaptive":{"wsate":0.1}}`:                                   {"adaptive.wsate: unknown field"},
		`{"adaptive":{"unanswered":1.5}}`:                              {"adaptive.unanswered: must be a whole number"},
		`{"grpc":{"max_tokens":1001,"token_ratio":0.0005}}`:            {"grpc.max_tokens", "grpc.token_ratio"},
		`{"aws":{"mode":"legacy"}}`:                                    {"aws.mode: must"},
		`{"finagle":{"ttl":10}}`:                                       {"finagle.ttl: must be a duration"},
		`{"finagle":{"ttl":"2m","ratio":0.0001,"min_per_second":1e7}}`: {"finagle.ttl"},
		`{"client_throttle":{"k":0.5,"retries":{"ratio":{"ratio":2}}}}`: {
			"client_throttle.k: must", "client_throttle.retries.ratio.ratio: must",
		},
		`{"client_throttle":{"retries":"client_throttle"}}`: {"client_throttle.retries: must not"},
		`{"concurrency":{"ratio":-1}}`:                      {"concurrency.ratio"},
		`{"token_bucket":{"cap":1,"ratio":1e-9}}`:           {"token_bucket.cap", "token_bucket.ratio"},
		`{"ratio":{"window":"1ms"}}`:                        {"ratio.window"},
		`{"shared":{}}`:                                     {"unknown name"},
		`null`:                                              {"must be a name"},
	} {
		_, err := budget.UnmarshalSpec([]byte(text))
		for _, w := range want {
			require.ErrorContains(t, err, w, text)
		}
	}
}

func TestValidate(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, s := range []budget.Spec{
		budget.Adaptive{Waste: nan},
		budget.Adaptive{Waste: 0.0009},
		budget.Adaptive{Waste: -0.1},
		budget.Adaptive{Unanswered: 101},
		budget.Adaptive{Patience: 61 * time.Second},
		budget.Adaptive{Waiting: 1_000_001},
		budget.TokenBucket{Ratio: nan},
		budget.TokenBucket{Cap: nan},
		budget.TokenBucket{Cap: inf},
		budget.TokenBucket{Ratio: 1.1},
		budget.TokenBucket{Cap: 1.0000001}, // would never allow a retry
		budget.GRPC{MaxTokens: nan},
		budget.GRPC{MaxTokens: -1},
		budget.GRPC{MaxTokens: 1000.001},
		budget.GRPC{MaxTokens: 1.2345},
		budget.GRPC{TokenRatio: nan},
		budget.GRPC{TokenRatio: inf},
		budget.GRPC{TokenRatio: -0.1},
		budget.GRPC{TokenRatio: 0.1234},
		budget.GRPC{TokenRatio: 1000.001},
		budget.AWS{Mode: "2027"},
		budget.Finagle{TTL: time.Millisecond},
		budget.Finagle{Ratio: nan},
		budget.Finagle{Ratio: -1},
		budget.Finagle{MinPerSecond: 1e7},
		budget.Concurrency{Ratio: nan},
		budget.Concurrency{Ratio: 1.1},
		budget.Concurrency{Min: 2e9},
		budget.Concurrency{Interval: time.Millisecond},
		budget.Concurrency{Interval: 2 * time.Hour},
		budget.Concurrency{Interval: -time.Second},
		budget.Ratio{Ratio: nan},
		budget.Ratio{Ratio: 2},
		budget.Ratio{Window: -time.Second},
		budget.Ratio{Window: 2 * time.Hour},
		budget.ClientThrottle{K: nan},
		budget.ClientThrottle{K: 0.9},
		budget.ClientThrottle{Window: time.Millisecond},
		budget.ClientThrottle{Retries: budget.Adaptive{Unanswered: -1}},
		budget.ClientThrottle{Retries: (*budget.Adaptive)(nil)},
		budget.ClientThrottle{Retries: &budget.ClientThrottle{}},
	} {
		require.Error(t, s.Validate(), "%#v", s)
	}
	for _, s := range []budget.Spec{
		budget.GRPC{MaxTokens: 1000},
		budget.GRPC{MaxTokens: 0.001, TokenRatio: 1000},
		budget.GRPC{TokenRatio: 0.001},
		budget.Adaptive{Waste: 1, Unanswered: 100, Patience: time.Minute, Waiting: 1_000_000},
		budget.Adaptive{Waste: 0.001, Unanswered: 1, Patience: -1, Waiting: 1},
		budget.Finagle{TTL: time.Minute, Ratio: 1000, MinPerSecond: 1e6},
		budget.Concurrency{Ratio: 1, Min: -5},
	} {
		require.NoError(t, s.Validate(), "%#v", s)
	}
}

// Whatever is accepted makes a budget that works, and survives the way to JSON and back.
func FuzzUnmarshalSpec(f *testing.F) {
	for _, s := range []string{
		`"adaptive"`, `{"adaptive":{"waste":0.001,"patience":"-1ns"}}`, `{"finagle":{"ttl":"1s","ratio":0.001,"min_per_second":1000000}}`,
		`{"grpc":{"max_tokens":0.001,"token_ratio":1e300}}`, `{"client_throttle":{"k":1,"window":"1s","retries":"ratio"}}`,
		`{"token_bucket":{"cap":1000000,"ratio":0.000001}}`, `{"concurrency":{"min":-1}}`, `{"aws":{"mode":""}}`, `{`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := budget.UnmarshalSpec(data)
		if err != nil {
			return
		}
		require.NoError(t, s.Validate())
		text, err := budget.MarshalSpec(s)
		require.NoError(t, err)
		require.True(t, json.Valid(text))
		again, err := budget.UnmarshalSpec(text)
		require.NoError(t, err)
		require.Equal(t, s, again)
		b := s.New()
		call(b, 0, failed, silent, busy, alive)
		l := b.(budget.Leveler).Level()
		require.True(t, l >= 0 && l <= 1, "level %v", l)
	})
}
