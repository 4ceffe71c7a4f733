package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestTiming_RetryAfterInEveryForm(t *testing.T) {
	type header = func() http.Header
	one := func(name, value string) header { return func() http.Header { return http.Header{name: {value}} } }
	after := func(d time.Duration, layout string) header { // within the bubble's time
		return func() http.Header { return http.Header{"Retry-After": {time.Now().Add(d).UTC().Format(layout)}} }
	}
	const own = 10 * time.Millisecond // our own backoff
	for name, test := range map[string]struct {
		header header
		least  time.Duration
	}{
		"seconds":    {one("Retry-After", "3"), 3 * time.Second},
		"fractional": {one("Retry-After", "1.5"), 1500 * time.Millisecond},
		"millis first": {func() http.Header {
			return http.Header{"Retry-After-Ms": {"2500"}, "Retry-After": {"9"}}
		}, 2500 * time.Millisecond},
		"rfc1123":   {after(4*time.Second, http.TimeFormat), 4 * time.Second},
		"rfc850":    {after(4*time.Second, "Monday, 02-Jan-06 15:04:05 GMT"), 4 * time.Second},
		"asctime":   {after(4*time.Second, time.ANSIC), 4 * time.Second},
		"past date": {after(-time.Hour, http.TimeFormat), own},
		"zero":      {one("Retry-After", "0"), own},
		"negative":  {one("Retry-After", "-5"), own},
		"garbage":   {one("Retry-After", "soon"), own},
		"ratelimit": {one("Ratelimit", `"burst";r=0;t=2, "day";r=7;t=900`), 2 * time.Second},
		"old form":  {one("Ratelimit", "limit=10, remaining=0, reset=6"), 6 * time.Second},
		"x reset":   {one("X-Ratelimit-Reset", "7"), 7 * time.Second},
		"x epoch": {func() http.Header {
			return http.Header{"X-Ratelimit-Reset": {fmt.Sprint(time.Now().Add(8 * time.Second).Unix())}}
		}, 8 * time.Second},
		"some left": {func() http.Header {
			return http.Header{"X-Ratelimit-Remaining": {"4999"}, "X-Ratelimit-Reset": {"3600"}}
		}, own},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := policy(t, func(c *retry.Config) { c.ThrottledBackoff = backoff.Constant(own) })
				first := true
				c := pipeClient(t, func(w http.ResponseWriter, _ *http.Request) {
					if first {
						first = false
						for k, v := range test.header() {
							w.Header()[k] = v
						}
						w.WriteHeader(http.StatusServiceUnavailable)
					}
				}, p)
				start := time.Now()
				resp, err := c.Get("http://pipe/")
				require.NoError(t, err)
				require.Equal(t, 200, resp.StatusCode)
				text(t, resp)
				require.GreaterOrEqual(t, time.Since(start), test.least)
				require.Less(t, time.Since(start), test.least+test.least/4+time.Millisecond)
			})
		})
	}
}

func TestTiming_HintAboveMaxHintReturnsResponse(t *testing.T) {
	for _, hint := range []string{"61", "1e9", "99999999999999999999999999", strings.Repeat("9", 200)} {
		synctest.Test(t, func(t *testing.T) {
			var sent atomic.Int32
			c := pipeClient(t, func(w http.ResponseWriter, _ *http.Request) {
				sent.Add(1)
				w.Header().Set("Retry-After", hint)
				w.WriteHeader(http.StatusServiceUnavailable)
			}, policy(t, nil))
			start := time.Now()
			resp, err := c.Get("http://pipe/")
			require.NoError(t, err)
			require.Equal(t, 503, resp.StatusCode)
			text(t, resp)
			require.Zero(t, time.Since(start))
			stopped, ok := httpx.ReportFrom(resp.Request.Context())
			require.True(t, ok)
			if hint == "1e9" { // no number of HTTP's: no hint
				require.EqualValues(t, 3, sent.Load())
				return
			}
			require.Equal(t, retry.ReasonHint, stopped.Reason)
			require.EqualValues(t, 1, sent.Load())
		})
	}
}

func TestTiming_AttemptTimeoutRetriedUnlikeDeadline(t *testing.T) {
	silent := func(sent *atomic.Int32) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) {
			sent.Add(1)
			<-r.Context().Done()
		}
	}
	t.Run("attempt", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var sent atomic.Int32
			c := pipeClient(t, silent(&sent), policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) }))
			start := time.Now()
			_, err := c.Get("http://pipe/")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			stopped, ok := errors.AsType[*retry.Error](err)
			require.True(t, ok)
			require.Equal(t, retry.ReasonMaxAttempts, stopped.Reason)
			require.Equal(t, 3*time.Second, time.Since(start))
			require.EqualValues(t, 3, sent.Load())
		})
	})
	t.Run("deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var sent atomic.Int32
			c := pipeClient(t, silent(&sent), policy(t, nil))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := c.Do(get(t, ctx, "http://pipe/"))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.EqualValues(t, 1, sent.Load())
			require.NoError(t, t.Context().Err())
		})
	})
}

func get(t testing.TB, ctx context.Context, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	return req
}

func TestTiming_WaitPastDeadlineReturnsLastResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(t, statuses(503), policy(t, func(c *retry.Config) { c.ThrottledBackoff = backoff.Constant(time.Minute) }))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		resp, err := c.Do(get(t, ctx, "http://pipe/"))
		require.NoError(t, err)
		require.Equal(t, 503, resp.StatusCode)
		text(t, resp)
		require.Zero(t, time.Since(start))
		stopped, ok := httpx.ReportFrom(resp.Request.Context())
		require.True(t, ok)
		require.Equal(t, retry.ReasonDeadline, stopped.Reason)
	})
}

func TestTiming_ClientTimeoutSpansAllAttempts(t *testing.T) {
	for range 50 { // two timers are due at once, in no particular order
		synctest.Test(t, func(t *testing.T) {
			var sent atomic.Int32
			c := pipeClient(t, func(w http.ResponseWriter, r *http.Request) {
				if sent.Add(1) == 1 {
					time.Sleep(600 * time.Millisecond)
					w.WriteHeader(http.StatusInternalServerError)
					return
				}
				<-r.Context().Done()
			}, policy(t, nil))
			c.Timeout = time.Second
			start := time.Now()
			_, err := c.Get("http://pipe/")
			require.ErrorContains(t, err, "Client.Timeout exceeded")
			require.ErrorContains(t, err, "context deadline exceeded") // as without a RoundTripper of ours
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.True(t, err.(interface{ Timeout() bool }).Timeout())
			require.Equal(t, time.Second, time.Since(start).Truncate(100*time.Millisecond))
			require.EqualValues(t, 2, sent.Load())
		})
	}
}

func TestTiming_ClientTimeoutErrorUnderEveryPolicy(t *testing.T) {
	for name := range policies(t) {
		for range 30 {
			synctest.Test(t, func(t *testing.T) {
				c := pipeClient(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, policies(t)[name])
				c.Timeout = time.Second
				_, err := c.Get("http://pipe/")
				require.ErrorContains(t, err, "Client.Timeout exceeded", name)
				require.ErrorContains(t, err, "context deadline exceeded", name)
			})
		}
	}
}

func TestTiming_AttemptsSendRemainingDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left, attempts []string
		c := pipeClient(t, func(w http.ResponseWriter, r *http.Request) {
			left = append(left, r.Header.Get("Request-Timeout"))
			attempts = append(attempts, r.Header.Get("X-Retry-Attempt"))
			time.Sleep(250 * time.Millisecond)
			w.WriteHeader(http.StatusInternalServerError)
		}, policy(t, func(c *retry.Config) { c.Backoff = backoff.Constant(time.Second) }))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		req := get(t, ctx, "http://pipe/")
		resp, err := c.Do(req)
		require.NoError(t, err)
		text(t, resp)
		require.Equal(t, []string{"10s", "8.75s", "7.5s"}, left)
		require.Equal(t, []string{"", "2", "3"}, attempts)
		require.Empty(t, req.Header)
	})
}

func TestTiming_WithoutHeadersSendsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []http.Header
		c := pipeClient(t, func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.Header)
			w.WriteHeader(http.StatusInternalServerError)
		}, policy(t, nil), httpx.WithoutHeaders())
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		resp, err := c.Do(get(t, ctx, "http://pipe/"))
		require.NoError(t, err)
		text(t, resp)
		require.Len(t, seen, 3)
		for _, h := range seen {
			require.NotContains(t, h, "X-Retry-Attempt")
			require.NotContains(t, h, "Request-Timeout")
		}
	})
}

func TestTiming_SlowBodyOutlivesAttemptTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		c := pipeClient(t, func(w http.ResponseWriter, _ *http.Request) {
			if first {
				first = false
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			for range 16 {
				_, _ = w.Write(make([]byte, 32<<10))
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Second)
			}
		}, policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) }))
		resp, err := c.Get("http://pipe/")
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.EqualValues(t, 512<<10, n)
		require.NoError(t, resp.Body.Close())
	})
}

func TestTiming_NoWaitAfterLastAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(t, statuses(500), policy(t, func(c *retry.Config) { c.Backoff = backoff.Constant(time.Second) }))
		start := time.Now()
		resp, err := c.Get("http://pipe/")
		require.NoError(t, err)
		text(t, resp)
		require.Equal(t, 2*time.Second, time.Since(start), "three attempts, two waits")
	})
}

func TestTiming_CallersRequestTimeoutNotExtended(t *testing.T) {
	s := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for _, own := range []string{"2s", "2"} {
		req := request(t, http.MethodGet, s.URL, nil).WithContext(ctx)
		req.Header.Set("Request-Timeout", own)
		resp, err := client(t, policy(t, nil)).Do(req)
		require.NoError(t, err)
		text(t, resp)
		require.Equal(t, own, s.Seen[s.count()-1].Header.Get("Request-Timeout"))
	}
	req := request(t, http.MethodGet, s.URL, nil).WithContext(ctx)
	req.Header.Set("Request-Timeout", "5h") // a proxy's client's, that has become too long
	resp, err := client(t, policy(t, nil)).Do(req)
	require.NoError(t, err)
	text(t, resp)
	require.NotEqual(t, "5h", s.Seen[2].Header.Get("Request-Timeout"))
}
