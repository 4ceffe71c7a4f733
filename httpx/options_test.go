package httpx_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestOptions_PolicyFuncChoosesAndReloadsWithoutANewBudget(t *testing.T) {
	s := serve(t, many(100, 503)...)
	patient, never := policy(t, nil), policy(t, func(c *retry.Config) { c.MaxAttempts = 1 })
	var current atomic.Pointer[retry.Policy]
	current.Store(patient)
	c := client(t, never, httpx.WithPolicyFunc(func(r *http.Request) *retry.Policy {
		if r.URL.Path == "/once" {
			return nil
		}
		return current.Load()
	}))
	send := func(path string) int {
		before := s.count()
		resp, err := c.Get(s.URL + path)
		require.NoError(t, err)
		text(t, resp)
		return s.count() - before
	}
	require.Equal(t, 1, send("/once"))
	require.Equal(t, 3, send("/"))
	for send("/") > 1 { // until the budget is spent
	}
	reloaded, err := patient.Reload(quick())
	require.NoError(t, err)
	current.Store(reloaded)
	require.Equal(t, 1, send("/"), "a reload must not refill the budget")
}

func TestOptions_DestinationNamesTheBudget(t *testing.T) {
	s := serve(t, many(100, 503)...)
	var seen recorder
	c := client(t, policy(t, nil, retry.WithObserver(&seen)), httpx.WithDestination(func(r *http.Request) string {
		return r.Header.Get("X-Shard")
	}))
	for _, shard := range []string{"a", "b", ""} {
		req := request(t, http.MethodGet, s.URL, nil)
		req.Header.Set("X-Shard", shard)
		resp, err := c.Do(req)
		require.NoError(t, err)
		text(t, resp)
		require.Equal(t, shard, seen.calls[len(seen.calls)-1].Destination)
	}
}

func TestOptions_PanicOnNonsense(t *testing.T) {
	for name, option := range map[string]func(){
		"WithPolicyFunc":      func() { httpx.WithPolicyFunc(nil) },
		"WithDestination":     func() { httpx.WithDestination(nil) },
		"WithClassifier":      func() { httpx.WithClassifier(nil) },
		"WithBeforeAttempt":   func() { httpx.WithBeforeAttempt(nil) },
		"WithReauth":          func() { httpx.WithReauth(nil) },
		"WithIdempotentPaths": func() { httpx.WithIdempotentPaths() },
		"WithBodyBuffer":      func() { httpx.WithBodyBuffer(-1) },
		"WithMaxTimeout":      func() { httpx.WithMaxTimeout(0) },
		"OnAttempt":           func() { httpx.OnAttempt(nil) },
		"Handler":             func() { httpx.Handler(nil) },
		"WithHintHeader":      func() { httpx.WithHintHeader("X Wait", time.Second) },
		"unit":                func() { httpx.WithHintHeader("X-Wait", 0) },
		"24h":                 func() { httpx.WithHintHeader("X-Wait", 25*time.Hour) },
		"WithBodyPeek":        func() { httpx.WithBodyPeek() },
		"204":                 func() { httpx.WithBodyPeek(200, 204) },
		"304":                 func() { httpx.WithBodyPeek(304) },
		"101":                 func() { httpx.WithBodyPeek(101) },
		"WithPeekLimits":      func() { httpx.WithPeekLimits(-1, time.Second) },
		"16 MiB":              func() { httpx.WithPeekLimits(17<<20, time.Second) },
		"wait":                func() { httpx.WithPeekLimits(1, 0) },
	} {
		func() {
			defer func() { require.Contains(t, recover(), name) }()
			option()
		}()
	}
}

func TestOptions_WithHintHeaderNamesAHeaderAndItsUnit(t *testing.T) {
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
		"403, not again": {time.Second, 403, http.Header{"X-Wait": {"2"}, "X-Should-Retry": {"false"}},
			retry.Rejected, 0},
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
