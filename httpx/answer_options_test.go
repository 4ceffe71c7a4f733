package httpx_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestAnswerOptions_PanicOnInvalidArguments(t *testing.T) {
	for name, option := range map[string]func(){
		"WithHintHeader: name":  func() { httpx.WithHintHeader("X Wait", time.Second) },
		"not \"X-\u212aey\"":    func() { httpx.WithHintHeader("X-\u212aey", time.Second) }, // U+212A is a k in lower case
		"WithHintHeader: unit":  func() { httpx.WithHintHeader("X-Wait", 0) },
		"not 25h":               func() { httpx.WithHintHeader("X-Wait", 25*time.Hour) },
		"not \"\"":              func() { httpx.WithHintHeader("", time.Second) },
		"WithBodyPeek":          func() { httpx.WithBodyPeek() },
		"204":                   func() { httpx.WithBodyPeek(200, 204) },
		"304":                   func() { httpx.WithBodyPeek(304) },
		"101":                   func() { httpx.WithBodyPeek(101) },
		"WithPeekLimits: bytes": func() { httpx.WithPeekLimits(-1, time.Second) },
		"16 MiB":                func() { httpx.WithPeekLimits(17<<20, time.Second) },
		"WithPeekLimits: wait":  func() { httpx.WithPeekLimits(1, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() { require.Contains(t, recover(), name) }()
			option()
		})
	}
}

func TestWithHintHeader_HeaderAndUnit(t *testing.T) {
	for name, test := range map[string]struct {
		unit   time.Duration
		code   int
		header http.Header
		class  retry.Class
		after  time.Duration
	}{
		"seconds":            {time.Second, 503, http.Header{"X-Wait": {"2.5"}}, retry.Throttled, 2500 * time.Millisecond},
		"milliseconds":       {time.Millisecond, 500, http.Header{"X-Wait": {"2.5"}}, retry.Transient, 2500 * time.Microsecond},
		"minutes":            {time.Minute, 500, http.Header{"X-Wait": {"0.5"}}, retry.Transient, 30 * time.Second},
		"nanoseconds":        {1, 500, http.Header{"X-Wait": {"2000000000"}}, retry.Transient, 2 * time.Second},
		"a unit of its own":  {time.Minute, 500, http.Header{"X-Wait": {"2s"}}, retry.Transient, 2 * time.Second},
		"before Retry-After": {time.Second, 503, http.Header{"X-Wait": {"2"}, "Retry-After": {"9"}}, retry.Throttled, 2 * time.Second},
		"malformed":          {time.Second, 503, http.Header{"X-Wait": {"-2"}, "Retry-After": {"9"}}, retry.Throttled, 9 * time.Second},
		"403":                {time.Second, 403, http.Header{"X-Wait": {"2"}}, retry.Throttled, 2 * time.Second},
		"413":                {time.Second, 413, http.Header{"X-Wait": {"2"}}, retry.Throttled, 2 * time.Second},
		"404":                {time.Second, 404, http.Header{"X-Wait": {"2"}}, retry.Rejected, 0},
		"200":                {time.Second, 200, http.Header{"X-Wait": {"2"}}, retry.Success, 0},
		"403, not again": {
			time.Second, 403,
			http.Header{"X-Wait": {"2"}, "X-Should-Retry": {"false"}},
			retry.Rejected, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rec := new(recorder)
				base := roundTripFunc(func(*http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: test.code, Header: test.header, Body: http.NoBody}, nil
				})
				tr := httpx.NewTransport(base, policy(t, nil, retry.WithObserver(rec)),
					httpx.WithHintHeader("x-none", time.Hour), httpx.WithHintHeader("x-wait", test.unit))
				start := time.Now()
				_, err := tr.RoundTrip(request(t, http.MethodGet, "http://h/", nil))
				require.NoError(t, err)
				if test.code == 403 { // a proxy's word
					_, err := tr.RoundTrip(request(t, http.MethodConnect, "http://h/", nil))
					require.NoError(t, err)
					require.Equal(t, retry.Rejected, rec.attempts[len(rec.attempts)-1].Outcome.Class)
				}
				require.Equal(t, test.class, rec.attempts[0].Outcome.Class)
				require.Equal(t, test.after, rec.attempts[0].Outcome.After)
				require.GreaterOrEqual(t, time.Since(start), 2*test.after)
				require.LessOrEqual(t, time.Since(start), 2*test.after*5/4)
			})
		})
	}
}
