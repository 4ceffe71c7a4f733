package httpx

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/retry"
)

// november is the time of these tests.
var november = time.Date(2026, time.November, 28, 12, 0, 0, 0, time.UTC)

func inNovember() time.Time { return november }

// ignored stands for a value that counts as absent.
const ignored = -1

func TestHints_EveryValueForm(t *testing.T) {
	for v, want := range map[string]time.Duration{
		"6m0s": 6 * time.Minute, "1.5s": 1500 * time.Millisecond, "17ms": 17 * time.Millisecond,
		"2h24m0s": 144 * time.Minute,
		".5s":     500 * time.Millisecond, "0s": 0, "8760h": maxWait, "87600h": maxWait,
		"1h2m3.4s": time.Hour + 2*time.Minute + 3400*time.Millisecond,
		"-1s":      ignored, "+1s": ignored, "1d": ignored, "s": ignored, "1e3s": ignored, "999999999999h": ignored,
		"1 s":                  ignored,
		"2026-11-28T12:00:07Z": 7 * time.Second, "2026-11-28T13:00:07.25+01:00": 7250 * time.Millisecond,
		"2026-11-28T12:01Z": time.Minute, "2026-11-28T11:59:59Z": 0, "9999-12-31T23:59:59Z": maxWait,
		"0000-01-01T00:00:00Z": 0, "2026-11-28T12:00:07": ignored, "2026-13-28T12:00:07Z": ignored,
		"2026-11-28":                    ignored,
		"10000-01-01T00:00:00Z":         ignored,
		"Sat, 28 Nov 2026 12:00:07 GMT": 7 * time.Second, "Saturday, 28-Nov-26 12:00:07 GMT": 7 * time.Second,
		"Sat Nov 28 12:00:07 2026": 7 * time.Second, "Fri, 31 Dec 9999 23:59:59 GMT": maxWait,
		"Thu, 01 Jan 1970 00:00:00 GMT": 0,
		"":                              ignored, "NaN": ignored, "Inf": ignored, "-5": ignored, "1e400": ignored, "0x10": ignored, "soon": ignored,
		"٣":     ignored,
		"1_000": ignored, "1,5": ignored, "1795867207": 7 * time.Second, "99999999999999999999": maxWait,
	} {
		for _, name := range []string{
			"Retry-After", "X-Ratelimit-Reset", "Ratelimit-Reset-Tokens",
			"Acme-Ratelimit-Requests-Reset",
		} {
			d, ok := serverClock{nil, inNovember}.parseValue(v, time.Second, epoch)
			require.Equal(t, want != ignored, ok, v)
			require.Equal(t, max(want, 0), d, v)
			require.Equal(t, max(want, 0), waitAsked(http.Header{name: {v}}, true, inNovember), "%s: %s", name, v)
		}
	}
}

func TestHints_MillisecondHeaders(t *testing.T) {
	for _, name := range []string{"Retry-After-Ms", "X-Ms-Retry-After-Ms", "X-Amz-Retry-After"} {
		for v, want := range map[string]time.Duration{
			"1500": 1500 * time.Millisecond, "37.5": 37500 * time.Microsecond, "-1": 0, "NaN": 0, "1e400": 0,
			"2s":            2 * time.Second,
			"1795867207000": 7 * time.Second, "99999999999999999999": maxWait, "0": 0,
		} {
			require.Equal(t, want, waitAsked(http.Header{name: {v}}, false, inNovember), "%s: %s", name, v)
		}
		h := http.Header{name: {"1500"}, "Retry-After": {"9"}}
		require.Equal(t, 1500*time.Millisecond, waitAsked(h, false, inNovember))
		h.Set(name, "soon")
		require.Equal(t, 9*time.Second, waitAsked(h, false, inNovember), "a bad value counts as absent")
	}
}

// headerOf returns a header of names and values in turn.
func headerOf(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

var limitCases = map[string]struct {
	header http.Header
	want   time.Duration
	used   bool
}{
	"the other has some left": {headerOf("x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "2s",
		"x-ratelimit-remaining-tokens", "5", "x-ratelimit-reset-tokens", "9s"), 2 * time.Second, true},
	"both ran out": {headerOf("x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "2s",
		"x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "9s"), 9 * time.Second, true},
	"neither": {headerOf("x-ratelimit-remaining-requests", "1", "x-ratelimit-reset-requests", "2s",
		"x-ratelimit-remaining-tokens", "5", "x-ratelimit-reset-tokens", "9s"), 0, false},
	"the word in another place": {
		headerOf("acme-ratelimit-tokens-remaining", "0", "acme-ratelimit-tokens-reset",
			"2026-11-28T12:00:09Z",
			"acme-ratelimit-requests-remaining", "4", "acme-ratelimit-requests-reset", "2026-11-28T12:00:50Z"),
		9 * time.Second, true,
	},
	"with the window": {
		headerOf("x-ratelimit-remaining-tokens-minute", "0", "x-ratelimit-reset-tokens-minute",
			"11.382867"),
		11382867 * time.Microsecond, true,
	},
	"in two words": {
		headerOf("X-Rate-Limit-Remaining", "0", "X-Rate-Limit-Reset", "1795867207"), 7 * time.Second, true,
	},
	"one known, one not": {
		headerOf("x-ratelimit-remaining", "0", "x-ratelimit-reset", "3", "x-ratelimit-reset-day", "900"),
		3 * time.Second, true,
	},
	"the known one is not timed": {
		headerOf("x-ratelimit-remaining-minute", "0", "ratelimit-reset", "3"), 3 * time.Second, true,
	},
	"a fraction": {
		headerOf("x-ratelimit-remaining", "0.0", "x-ratelimit-reset", "3"), 3 * time.Second, true,
	},
	"less than one is not none": {headerOf("x-ratelimit-remaining", "0.4", "x-ratelimit-reset", "3"), 0, false},
	"parameters": {
		headerOf("ratelimit-remaining", "0;w=60", "ratelimit-reset", "3"), 3 * time.Second, true,
	},
	"a list": {
		headerOf("ratelimit-remaining", "0, 0;w=60", "ratelimit-reset", "3"), 3 * time.Second, true,
	},
	"negative is no number": {headerOf("x-ratelimit-remaining", "-1", "x-ratelimit-reset", "3"), 0, false},
	"seconds before a time": {
		headerOf("x-ratelimit-remaining", "0", "x-ratelimit-reset", "1795869999", "x-ratelimit-reset-after", "3"),
		3 * time.Second, true,
	},
	"a date beside it": {
		headerOf("ratelimit-remaining", "0", "ratelimit-reset", "1795867207", "ratelimit-resettime",
			"Sat, 28 Nov 2026 12:00:07 GMT"), 7 * time.Second, true,
	},
	"bad, and a good one": {
		headerOf("x-ratelimit-remaining-a", "0", "x-ratelimit-reset-a", "1e400", "x-ratelimit-remaining-b", "0",
			"x-ratelimit-reset-b", "3"), 3 * time.Second, true,
	},
	"milliseconds": {
		headerOf("x-ratelimit-remaining", "0", "x-ratelimit-reset-ms", "1500"), 1500 * time.Millisecond, true,
	},
	"two times": {
		headerOf("ratelimit-remaining", "0", "ratelimit-reset", "7", "ratelimit-next", "2026-11-28T12:00:03Z"), 7 * time.Second, true,
	},
	"a longer word":            {headerOf("x-ratelimit-remaining", "0", "x-ratelimit-resettable", "3"), 0, true},
	"a limit that is no limit": {headerOf("x-remaining", "0", "x-reset", "3", "x-date-reset", "3"), 0, false},
	"the field of the draft": {
		headerOf("ratelimit", `"a";r=0;t=3`, "x-ratelimit-remaining", "0", "x-ratelimit-reset", "9"),
		3 * time.Second, true,
	},
	"the field, something left": {
		headerOf("ratelimit", `"a";r=5;t=3`, "x-ratelimit-remaining", "0", "x-ratelimit-reset", "9"),
		9 * time.Second, true,
	},
	"the field over two lines": {
		http.Header{"Ratelimit": {`"a";r=5;t=3`, `"b";r=0;t=4`}}, 4 * time.Second, true,
	},
	"no value":                    {http.Header{"X-Ratelimit-Reset": {}, "X-Ratelimit-Remaining": nil}, 0, false},
	"nothing but what is left":    {headerOf("x-ratelimit-remaining", "0"), 0, true},
	"what is left as text":        {headerOf("x-ms-ratelimit-remaining-resource", "Acme/HighCost;0"), 0, false},
	"a name that is a whole page": {http.Header{string(make([]byte, 300)) + "Ratelimit-Reset": {"3"}}, 0, false},
}

func TestHints_ExhaustedLimitCounts(t *testing.T) {
	for name, test := range limitCases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, waitAsked(test.header, true, inNovember))
			require.Equal(t, test.used, usedUp(test.header))
			require.Zero(t, waitAsked(test.header, false, inNovember), "no limit was hit")
		})
	}
}

func TestHints_403And413TemporaryIfStated(t *testing.T) {
	for name, test := range map[string]struct {
		code   int
		header http.Header
		class  retry.Class
		after  time.Duration
	}{
		"403":         {403, nil, retry.Rejected, 0},
		"403, a wait": {403, http.Header{"Retry-After": {"3"}}, retry.Throttled, 3 * time.Second},
		"403, milliseconds": {
			403, http.Header{"X-Ms-Retry-After-Ms": {"30"}}, retry.Throttled, 30 * time.Millisecond,
		},
		"403, a bad wait": {403, http.Header{"Retry-After": {"-3"}}, retry.Rejected, 0},
		"403, none left":  {403, http.Header{"X-Ratelimit-Remaining": {"0"}}, retry.Throttled, 0},
		"403, none left, a reset": {
			403,
			http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"3"}},
			retry.Throttled,
			3 * time.Second,
		},
		"403, the draft's": {403, http.Header{"Ratelimit": {`"a";r=0;t=3`}}, retry.Throttled, 3 * time.Second},
		"403, some left": {
			403, http.Header{"X-Ratelimit-Remaining": {"7"}, "X-Ratelimit-Reset": {"3"}}, retry.Rejected, 0,
		},
		"403, a reset alone": {403, http.Header{"X-Ratelimit-Reset": {"3"}}, retry.Rejected, 0},
		"413":                {413, nil, retry.Rejected, 0},
		"413, a wait":        {413, http.Header{"Retry-After": {"3"}}, retry.Throttled, 3 * time.Second},
		"413, a bad wait":    {413, http.Header{"Retry-After": {"later"}}, retry.Rejected, 0},
		"413, none left":     {413, http.Header{"X-Ratelimit-Remaining": {"0"}}, retry.Rejected, 0},
		"401, a wait":        {401, http.Header{"Retry-After": {"3"}}, retry.Rejected, 0},
		"404, none left":     {404, http.Header{"X-Ratelimit-Remaining": {"0"}}, retry.Rejected, 0},
		"529":                {529, nil, retry.Throttled, 0},
		"529, a reset":       {529, http.Header{"X-Ratelimit-Reset": {"3"}}, retry.Throttled, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			o := Classify(nil, &http.Response{StatusCode: test.code, Header: test.header}, nil)
			require.Equal(t, test.class, o.Class)
			require.Equal(t, test.after, o.After)
			connect := Classify(&http.Request{Method: http.MethodConnect}, &http.Response{
				StatusCode: test.code,
				Header:     test.header,
			}, nil)
			if test.code < 500 {
				require.Equal(t, retry.Rejected, connect.Class, "a proxy's word")
			}
		})
	}
	o := Classify(nil, &http.Response{StatusCode: 403, Header: http.Header{
		"Retry-After":    {"3"},
		"X-Should-Retry": {"false"},
	}}, nil)
	require.Equal(t, retry.ReasonNoRetry, o.Forbidden)
}

func TestDecimal_TimesAnyUnit(t *testing.T) {
	for unit, want := range map[time.Duration]time.Duration{
		time.Nanosecond: 1, time.Second: 1500 * time.Millisecond, time.Minute: 90 * time.Second,
		24 * time.Hour: 36 * time.Hour,
	} {
		n, ok := parseDecimal("1.5")
		require.True(t, ok)
		require.Equal(t, want, n.times(unit))
	}
	n, _ := parseDecimal("99999999999.999999999")
	require.Equal(t, time.Duration(math.MaxInt64), n.times(time.Hour))
}
