package httpx

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/retry"
)

func TestRateLimitForms(t *testing.T) {
	for v, want := range map[string]time.Duration{
		`"default";r=0;t=30`:                    30 * time.Second,
		`"a";r=0;t=3, "b";r=0;t=5, "c";r=1;t=9`: 5 * time.Second,
		`"a";t=4`:                               4 * time.Second,
		`limit=100, remaining=0, reset=12`:      12 * time.Second,
		`limit=100,remaining=3,reset=12`:        0,
		`"default";r=5;t=30`:                    0,
		`garbage`:                               0,
		`"a";r=0`:                               0,
		`"a";r=0;t=-3`:                          0,
		`"a";r=0;t=99999999999999999999999999`:  maxWait,
	} {
		d, ok := parseRateLimit(v)
		require.Equal(t, want, d, v)
		require.Equal(t, want != 0, ok, v)
	}
}

func TestAWaitIsMeantByTheServersClock(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	theirs := now.Add(-10 * time.Minute) // a clock that is slow
	h := http.Header{
		"Date":        {theirs.Format(http.TimeFormat)},
		"Retry-After": {theirs.Add(5 * time.Second).Format(http.TimeFormat)},
	}
	require.Equal(t, 5*time.Second, waitAsked(h, true, func() time.Time { return now }))
	delete(h, "Date")
	require.Zero(t, waitAsked(h, true, func() time.Time { return now }))
}

func TestResetAsATime(t *testing.T) {
	now := func() time.Time { return time.Unix(1_800_000_000, 0) }
	for v, want := range map[string]time.Duration{
		"1800000007": 7 * time.Second, "1800000007.5": 7500 * time.Millisecond, "1800000007000": 7 * time.Second,
		"1700000000": 0, "30": 30 * time.Second, "99999999999999999": maxWait, "1e9": 0, "-5": 0, "": 0,
	} {
		d, _ := parseReset(http.Header{"X-Ratelimit-Reset": {v}}, "X-Ratelimit-Remaining", "X-Ratelimit-Reset", now)
		require.Equal(t, want, d, v)
	}
}

func FuzzHints(f *testing.F) {
	for _, v := range []string{
		"3", "1.5", "-1", "1e99", "99999999999999999999", "NaN", "0x10", ".", "true",
		"Wed, 21 Oct 2015 07:28:00 GMT", `"a";r=0;t=3`, "limit=1, reset=2",
	} {
		f.Add(v, v, uint16(503))
	}
	names := []string{
		"Retry-After", "Retry-After-Ms", "Ratelimit", "Ratelimit-Reset", "X-Ratelimit-Reset", "Date", "X-Should-Retry",
	}
	f.Fuzz(func(t *testing.T, a, b string, code uint16) {
		for i, name := range names {
			other := names[(i+1)%len(names)]
			resp := &http.Response{StatusCode: int(code), Header: http.Header{name: {a}, other: {b}}}
			o := Classify(nil, resp, nil)
			require.GreaterOrEqual(t, o.After, time.Duration(0))
			require.LessOrEqual(t, o.After, maxWait)
			if o.Class == retry.Success || o.Class == retry.Rejected {
				require.Zero(t, o.After)
			}
		}
	})
}

func FuzzRequestHeaders(f *testing.F) {
	for _, v := range []string{
		"1.5s", "3", "-1", "99999999999999999999", "1H", "99999999H", "1e9s", "-9223372036854775808", "",
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
	})
}

func TestFormatTimeoutNeverPromisesMoreThanThereIs(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1500 * time.Millisecond: "1.5s", 1999999 * time.Nanosecond: "1ms", 1500 * time.Nanosecond: "1us", 1: "1us",
		90 * time.Second: "1m30s",
	} {
		got := formatTimeout(d)
		require.Equal(t, want, got)
		back, ok := parseTimeout(got)
		require.True(t, ok)
		require.LessOrEqual(t, back, max(d, time.Microsecond))
	}
}
