package httpx

import (
	"math"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRequestTimeout_SentInDecimalSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		90 * time.Second:                         "90s",
		90*time.Second - time.Millisecond:        "89.999s",
		89999999999:                              "89.999s",
		1500 * time.Millisecond:                  "1.5s",
		time.Second:                              "1s",
		250 * time.Millisecond:                   "0.25s",
		10 * time.Millisecond:                    "0.01s",
		1999999 * time.Nanosecond:                "0.001s",
		800 * time.Microsecond:                   "0.0008s",
		1500 * time.Nanosecond:                   "0.000001s",
		1:                                        "0.000001s",
		2*time.Hour + 30*time.Minute:             "9000s",
		time.Hour + time.Second/1000:             "3600.001s",
		math.MaxInt64:                            "9223372036.854s",
		24*time.Hour - 100*time.Millisecond + 50: "86399.9s",
	} {
		require.Equal(t, want, formatTimeout(d), d)
	}
}

func TestRequestTimeout_ReadWithAndWithoutUnit(t *testing.T) {
	for v, want := range map[string]time.Duration{
		"89.999s": 89999 * time.Millisecond, "89.999": 89999 * time.Millisecond, "90s": 90 * time.Second,
		"90": 90 * time.Second, "0.000001s": time.Microsecond, ".5": 500 * time.Millisecond, "5.s": 5 * time.Second,
		"1m29.999s": 89999 * time.Millisecond, "250ms": 250 * time.Millisecond, "800us": 800 * time.Microsecond,
		"2h": 2 * time.Hour, "0": 0, "0s": 0, "-1.5": -1500 * time.Millisecond, "-1.5s": -1500 * time.Millisecond,
		"-1ms": -time.Millisecond, "9223372037s": math.MaxInt64, strings.Repeat("9", 200): math.MaxInt64,
		"0." + strings.Repeat("9", 200): 999999999, "-" + strings.Repeat("9", 200) + "s": -math.MaxInt64,
	} {
		got, ok := parseTimeout(v)
		require.True(t, ok, v)
		require.Equal(t, want, got, v)
	}
	for _, v := range []string{
		"", "s", ".", ".s", "-", "-s", "1.2.3", "1,5", "1e3", "1_000", "0x10", "5S", "5 s", "5ss", "soon", "∞", "+5",
	} {
		_, ok := parseTimeout(v)
		require.False(t, ok, v)
	}
}

func TestDeadlineHeaders_ZeroAndNegative(t *testing.T) {
	for name, test := range map[string]struct {
		header http.Header
		left   time.Duration
		ok     bool
	}{
		"envoy":               {http.Header{"X-Envoy-Expected-Rq-Timeout-Ms": {"0"}}, 0, false},
		"envoy, more digits":  {http.Header{"X-Envoy-Expected-Rq-Timeout-Ms": {"000"}}, 0, false},
		"envoy, then a value": {http.Header{"X-Envoy-Expected-Rq-Timeout-Ms": {"0", "20"}}, 20 * time.Millisecond, true},
		"envoy and another": {http.Header{
			"X-Envoy-Expected-Rq-Timeout-Ms": {"0"}, "Request-Timeout": {"3"},
		}, 3 * time.Second, true},
		"envoy, fractional": {http.Header{"X-Envoy-Expected-Rq-Timeout-Ms": {"0.5"}}, 0, false},
		"envoy, negative":   {http.Header{"X-Envoy-Expected-Rq-Timeout-Ms": {"-5"}}, 0, false},
		"request-timeout":   {http.Header{"Request-Timeout": {"0"}}, 0, true},
		"connect":           {http.Header{"Connect-Timeout-Ms": {"0"}}, 0, true},
		"connect, negative": {http.Header{"Connect-Timeout-Ms": {"-5"}}, 0, false},
		"grpc":              {http.Header{"Grpc-Timeout": {"0n"}}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			left, ok := requestTimeout(test.header)
			require.Equal(t, test.ok, ok)
			require.Equal(t, test.left, left)
		})
	}
}

func TestUpgrade_OpensTunnel(t *testing.T) {
	for upgrade, want := range map[string]bool{
		"websocket": true, "WebSocket": true, "echo": true, "h2c, websocket": true, "SPDY/3.1": true, "tcp": true,
		"h2c": false, "H2C": false, "HTTP/2.0": false, "TLS/1.2": false, "TLS/1.2, HTTP/1.1": false, "": false, " , ": false,
	} {
		require.Equal(t, want, opensTunnel(http.MethodGet, http.Header{"Upgrade": {upgrade}}), upgrade)
	}
	require.True(t, opensTunnel(http.MethodGet, http.Header{"Upgrade": {"h2c", "websocket"}}))
	require.True(t, opensTunnel(http.MethodConnect, nil))
	require.False(t, opensTunnel(http.MethodPost, nil))
}

func FuzzFormatTimeout(f *testing.F) {
	for _, d := range []int64{0, 1, -1, 999, 1000, 999999, 1e6, 1e9, 89999999999, math.MaxInt64, math.MaxInt64 - 85, math.MinInt64} {
		f.Add(d)
	}
	f.Fuzz(func(t *testing.T, n int64) {
		d := time.Duration(n)
		v := formatTimeout(d)
		require.Regexp(t, `^[0-9]+(\.[0-9]{0,5}[1-9])?s$`, v)
		back, ok := parseTimeout(v)
		require.True(t, ok)
		require.LessOrEqual(t, back, max(d, time.Microsecond))
		require.Greater(t, back, max(d, 0)-time.Millisecond)
		require.Positive(t, back)
	})
}

func FuzzDecimal(f *testing.F) {
	for _, v := range []string{
		"", "0", "1.5", ".", "1.", ".1", "99999999999999999999.9", "0.0000000001", "1.2.3", "1e5", "-1",
	} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		n, ok := parseDecimal(v)
		if !ok {
			require.Zero(t, n)
			return
		}
		exact, valid := new(big.Rat).SetString("0" + strings.TrimSuffix(v, "."))
		require.True(t, valid, v)
		for _, unit := range []time.Duration{time.Millisecond, time.Second} {
			want := new(big.Rat).Mul(exact, new(big.Rat).SetInt64(int64(unit)))
			got := new(big.Rat).SetInt64(int64(n.times(unit)))
			require.LessOrEqual(t, got.Cmp(want), 0, v)
			if want.Cmp(new(big.Rat).SetInt64(math.MaxInt64)) >= 0 {
				require.Equal(t, time.Duration(math.MaxInt64), n.times(unit))
			} else {
				require.Negative(t, want.Sub(want, got).Cmp(new(big.Rat).SetInt64(int64(unit))), v)
			}
		}
	})
}

func FuzzRequestHeaders(f *testing.F) {
	for _, v := range []string{
		"1.5s", "3", "-1", "99999999999999999999", "1H", "99999999H", "1e9s", "-9223372036854775808", "", "89.999",
	} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		for _, header := range deadlineHeaders {
			d, ok := requestTimeout(http.Header{header.name: {v}})
			if !ok {
				require.Zero(t, d)
			}
			if v != "" && v[0] >= '0' && v[0] <= '9' {
				require.GreaterOrEqual(t, d, time.Duration(0), "%s: %q overflowed", header.name, v)
			}
		}
		n := parseAttempt(http.Header{headerAttempt: {v}})
		require.True(t, n >= 1 && n <= maxAttempt+1)
		opensTunnel(http.MethodGet, http.Header{"Upgrade": {v}})
	})
}
