package httpx

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHints_RateLimitForms(t *testing.T) {
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
		`"a, \"b;r=0;t=9";r=5;t=3`:              0,
		`"a;b";r=0;t=3;pk=:Zm9v:`:               3 * time.Second,
		`"a";r=0;t=1e400`:                       0,
		`limit=10;w=60, remaining=3, reset=30`:  0,
		`limit=10;w=60, remaining=0, reset=30`:  30 * time.Second,
		`"unterminated;r=0;t=3`:                 0,
		`"\`:                                    0,
	} {
		d, ok := serverClock{http.Header{"Ratelimit": {v}}, time.Now}.policyWait()
		require.Equal(t, want, d, v)
		require.Equal(t, want != 0, ok, v)
	}
}

func TestHints_DatesByServersClock(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	theirs := now.Add(-10 * time.Minute) // a clock that is slow
	after := func(d time.Duration) string { return theirs.Add(d).Format(http.TimeFormat) }
	date := after(0)
	minute := after(time.Minute)
	for name, test := range map[string]struct {
		header http.Header
		want   time.Duration
	}{
		"fresh":             {http.Header{"Date": {date}, "Retry-After": {after(5 * time.Second)}}, 5 * time.Second},
		"no date":           {http.Header{"Retry-After": {after(5 * time.Second)}}, 0},
		"cached":            {http.Header{"Date": {date}, "Age": {"50"}, "Retry-After": {minute}}, 10 * time.Second},
		"cached for longer": {http.Header{"Date": {date}, "Age": {"70"}, "Retry-After": {minute}}, 0},
		"age that is 0":     {http.Header{"Date": {date}, "Age": {"0"}, "Retry-After": {minute}}, time.Minute},
		"age malformed":     {http.Header{"Date": {date}, "Age": {"-50"}, "Retry-After": {minute}}, time.Minute},
		"age of a century":  {http.Header{"Date": {date}, "Age": {strings.Repeat("9", 99)}, "Retry-After": {minute}}, 0},
		"age without date": {http.Header{
			"Age": {"50"}, "Retry-After": {now.Add(time.Minute).Format(http.TimeFormat)},
		}, time.Minute},
		"age and seconds": {http.Header{"Date": {date}, "Age": {"50"}, "Retry-After": {"60"}}, time.Minute},
		"cached, unix time": {http.Header{
			"Date": {date}, "Age": {"50"}, "Retry-After": {strconv.FormatInt(theirs.Unix()+60, 10)},
		}, 10 * time.Second},
		"cached reset": {http.Header{
			"Date": {date}, "Age": {"50"}, "X-Ratelimit-Reset": {strconv.FormatInt(theirs.Unix()+60, 10)},
		}, 10 * time.Second},
		"the end of time": {http.Header{"Date": {date}, "Retry-After": {"Fri, 31 Dec 9999 23:59:59 GMT"}}, maxWait},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, waitAsked(test.header, true, func() time.Time { return now }))
		})
	}
}

func TestHints_LargeNumbersAreUnixTimes(t *testing.T) {
	now := func() time.Time { return time.Unix(1_800_000_000, 0) }
	seconds := map[string]time.Duration{
		"1800000007": 7 * time.Second, "1800000007.5": 7500 * time.Millisecond, "1800000007000": 7 * time.Second,
		"1700000000": 0, "1000000000": 0, "30": 30 * time.Second, "99999999999999999": maxWait, "1e9": 0, "-5": 0, "": 0,
		"99999999999": maxWait, "100000000000": 0, ".": 0, "+1800000007": 0,
		"1.8.1": 0, "0.25": 250 * time.Millisecond, ".5": 500 * time.Millisecond, "5.": 5 * time.Second,
	}
	const year2000, twoYears = "946684800", "63072000"
	for name, test := range map[string]struct {
		header string
		waits  map[string]time.Duration
	}{
		"Retry-After":         {"Retry-After", seconds},
		"Retry-After, long":   {"Retry-After", map[string]time.Duration{"999999999": maxWait, twoYears: maxWait}},
		"reset, long":         {"X-Ratelimit-Reset", map[string]time.Duration{year2000: 0, twoYears: 0}},
		"X-RateLimit-Reset":   {"X-Ratelimit-Reset", seconds},
		"RateLimit-Reset":     {"Ratelimit-Reset", seconds},
		"RateLimit":           {"Ratelimit", map[string]time.Duration{`"a";r=0;t=1800000007`: 7 * time.Second}},
		"RateLimit, old form": {"Ratelimit", map[string]time.Duration{"remaining=0, reset=1800000007": 7 * time.Second}},
		"Retry-After-Ms": {"Retry-After-Ms", map[string]time.Duration{
			"1800000007000": 7 * time.Second, "1700000000000": 0, "2500": 2500 * time.Millisecond,
			"1.5": 1500 * time.Microsecond, "86400000": 24 * time.Hour, "99999999999999999999": maxWait,
			"1800000007": 1800000007 * time.Millisecond,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for v, want := range test.waits {
				require.Equal(t, want, waitAsked(http.Header{test.header: {v}}, true, now), v)
			}
		})
	}
}

func TestHints_ResetWithRemainingIsIgnored(t *testing.T) {
	for left, want := range map[string]time.Duration{"0": 7 * time.Second, "": 7 * time.Second, "3": 0, "many": 0} {
		h := http.Header{"X-Ratelimit-Reset": {"7"}, "X-Ratelimit-Remaining": {left}}
		require.Equal(t, want, waitAsked(h, true, time.Now), left)
		require.Zero(t, waitAsked(h, false, time.Now), "not limited: %s", left)
	}
}
