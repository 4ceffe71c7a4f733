package httpx

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/retry"
)

// hostile are values that some parser of some client has stumbled over.
var hostile = []string{
	"", "0", "3", "1.5", "-1", "-0", "+3", "1e99", "1e400", "99999999999999999999", "9223372036854775807",
	"9223372036854775808",
	"NaN", "Inf", "-Inf", "0x10", ".", "1.", ".5", "true", "1_000", "\x00", "3;w=60", "0, 0", "  3  ", "٣",
	"1800000007", "1800000007.999999999", "1800000007000", "1800000007000000", "100000000000", "99999999999999",
	"86400000",
	"6m0s", "1.5s", "17ms", "-3s", "999999999h", "2562047h47m16.854775807s", "1ns", "0s", "1h1h", "1d",
	"Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT",
	"2026-11-28T12:00:07Z", "9999-12-31T23:59:59.999999999Z", "0000-01-01T00:00:00Z", "2026-11-28T12:00Z",
	`"a";r=0;t=3`, `"a";r=0;t=-3`, `"a";r=0;t=1e400`, "limit=1, remaining=0, reset=2", `"`, `\`, `"\`, ";;;", "=,=;",
}

var fuzzedNames = []string{
	"Retry-After", "Retry-After-Ms", "X-Ms-Retry-After-Ms", "X-Amz-Retry-After", "Ratelimit", "Ratelimit-Reset",
	"Ratelimit-Remaining",
	"X-Ratelimit-Reset", "X-Ratelimit-Remaining", "X-Rate-Limit-Reset", "X-Ratelimit-Reset-After",
	"X-Ratelimit-Reset-Tokens",
	"X-Ratelimit-Remaining-Tokens", "Anthropic-Ratelimit-Requests-Reset", "X-Ratelimit-Next", "Date", "Age",
	"X-Should-Retry",
	"Stripe-Should-Retry", "X-Acme-Wait",
}

// checkOutcome checks what holds for any answer: a wait is within its bounds, and is asked for by
// those answers alone that may be sent again.
func checkOutcome(t *testing.T, o retry.Outcome, header http.Header) {
	t.Helper()
	require.GreaterOrEqual(t, o.After, time.Duration(0), header)
	require.LessOrEqual(t, o.After, maxWait, header)
	if o.Class == retry.Success || o.Class == retry.Rejected {
		require.Zero(t, o.After, header)
	}
}

func FuzzHints(f *testing.F) {
	for i, v := range hostile {
		for j, name := range fuzzedNames {
			f.Add(name, v, fuzzedNames[(i+j)%len(fuzzedNames)], hostile[(i+j)%len(hostile)], []uint16{
				403, 413, 429,
				503, 529,
			}[i%5])
		}
	}
	own := &call{req: &http.Request{}, t: NewTransport(nil, nil, WithHintHeader("X-Acme-Wait", time.Minute))}
	f.Fuzz(func(t *testing.T, name, v, other, w string, code uint16) {
		resp := &http.Response{StatusCode: int(code), Header: http.Header{}}
		resp.Header.Set(name, v)
		resp.Header.Add(other, w)
		o := Classify(nil, resp, nil)
		checkOutcome(t, o, resp.Header)
		checkOutcome(t, own.hinted(o, resp), resp.Header)
		require.Equal(t, o.Class, Classify(nil, resp, nil).Class, "the order of the headers does not matter")
	})
}

func FuzzBodySays(f *testing.F) {
	for _, v := range hostile {
		quoted, _ := json.Marshal(v)
		for _, body := range []string{
			`{"retry_after":` + v + `}`, `{"error":{"retry_after_ms":` + v + `}}`,
			`{"error":{"code":` + string(quoted) + `}}`,
			`[{"@type":"x/google.rpc.RetryInfo","retryDelay":` + string(quoted) + `}]`, v,
		} {
			f.Add(body, "")
		}
	}
	f.Add("\x1f\x8b\x08\x00\x00\x00\x00\x00", "gzip")
	f.Add("\x78\x9c", "deflate")
	f.Fuzz(func(t *testing.T, body, coding string) {
		const limit = 1000
		resp := &http.Response{
			StatusCode: 429, Header: http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {coding}},
			Body: io.NopCloser(strings.NewReader(body)),
		}
		c := &call{req: &http.Request{}, t: NewTransport(nil, nil, WithPeekLimits(limit, time.Minute))}
		p := c.peekable(t.Context(), resp)
		require.NotNil(t, p)
		checkOutcome(t, Classify(nil, resp, nil), resp.Header)
		require.LessOrEqual(t, len(PeekBody(resp)), limit)
		p.hide(resp)
		whole, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, body, string(whole))
	})
}
