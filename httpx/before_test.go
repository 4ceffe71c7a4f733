package httpx_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

var errNoToken = errors.New("no token")

func TestBeforeAttempt_SeesAttemptAndPreviousFailure(t *testing.T) {
	s := serve(t, 503, 500)
	var seen []*retry.Failure
	c := client(t, policy(t, nil), httpx.WithIdempotencyKey(), httpx.WithBeforeAttempt(
		func(r *http.Request, previous *retry.Failure) error {
			seen = append(seen, previous)
			require.Equal(t, len(seen) > 1, r.Header.Get("X-Retry-Attempt") != "", "what the Transport adds can be signed")
			require.NotEmpty(t, r.Header.Get("Idempotency-Key"))
			r.Header.Set("X-Nonce", strings.Repeat("n", len(seen)))
			r.Header["X-Shared"][0] = "signed"
			r.URL.RawQuery = "sig=1"
			return nil
		}))
	req := request(t, http.MethodPost, s.URL+"/a", strings.NewReader("body"))
	req.Header["X-Shared"] = []string{"bare"}
	resp, err := c.Do(req)
	require.NoError(t, err)
	text(t, resp)
	require.Equal(t, []*retry.Failure{
		nil, {Attempt: 1, Class: retry.Throttled, Status: "HTTP 503"}, {Attempt: 2, Class: retry.Transient, Status: "HTTP 500"},
	}, seen)
	for i, r := range s.Seen {
		require.Equal(t, strings.Repeat("n", i+1), r.Header.Get("X-Nonce"))
		require.Equal(t, "sig=1", r.URL.RawQuery)
		require.Equal(t, "body", s.Bodies[i])
	}
	require.Equal(t, http.Header{"X-Shared": {"bare"}}, req.Header, "the caller's request is not changed")
	require.Empty(t, req.URL.RawQuery)
}

func TestBeforeAttempt_HooksInOrderAndNilHeader(t *testing.T) {
	hook := func(name string) httpx.Option {
		return httpx.WithBeforeAttempt(func(r *http.Request, _ *retry.Failure) error {
			r.Header.Add("X-By", name)
			return nil
		})
	}
	var by []string
	tr := httpx.NewTransport(base(func(r *http.Request) (*http.Response, error) {
		by = r.Header["X-By"]
		return reply(200, http.NoBody), nil
	}), nil, hook("a"), hook("b"))
	resp, err := tr.RoundTrip(&http.Request{URL: request(t, "GET", "http://h/", nil).URL})
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, []string{"a", "b"}, by)
}

func TestBeforeAttempt_ErrorEndsCall(t *testing.T) {
	for name, c := range map[string]struct {
		at, sent int
		text     string
	}{
		"before the first attempt": {1, 0, "no token (evenkeel: before attempt 1)"},
		"before a retry":           {2, 1, "no token (evenkeel: rejected after 2 attempts)"},
	} {
		t.Run(name, func(t *testing.T) {
			sent, closed, at := 0, atomic.Int32{}, 0
			var seen recorder
			tr := httpx.NewTransport(base(func(r *http.Request) (*http.Response, error) {
				sent++
				_ = readAll(r)
				return reply(503, http.NoBody), nil
			}), policy(t, nil, retry.WithObserver(&seen)), httpx.WithBodyBuffer(10), httpx.WithIdempotencyKey(),
				httpx.WithBeforeAttempt(func(*http.Request, *retry.Failure) error {
					if at++; at == c.at {
						return errNoToken
					}
					return nil
				}))
			req := request(t, http.MethodPost, "http://h/", nil)
			req.Body = closer{strings.NewReader("abc"), &closed}
			_, err := tr.RoundTrip(req)
			require.ErrorIs(t, err, errNoToken)
			require.EqualError(t, err, c.text)
			require.Equal(t, c.sent, sent)
			require.NotZero(t, closed.Load(), "the body is closed")
			require.Equal(t, retry.ReasonRejected, seen.reason())
			require.False(t, seen.attempts[len(seen.attempts)-1].Outcome.Alive, "it says nothing of the server")
		})
	}
}

// A hook that fails on our own side does not beat an attempt under way.
func TestBeforeAttempt_FailingHedgeLosesToAttemptInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent, asked atomic.Int32
		c := pipeClient(t, plan(&sent, []int{200}, 300*time.Millisecond), hedging(t, nil), httpx.WithBeforeAttempt(
			func(*http.Request, *retry.Failure) error {
				if asked.Add(1) > 1 {
					return errNoToken
				}
				return nil
			}))
		resp, err := c.Get("http://pipe/")
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		text(t, resp)
		require.EqualValues(t, 2, asked.Load())
		require.EqualValues(t, 1, sent.Load())
	})
}

func TestBeforeAttempt_WithinAttemptAndCallTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) })
		slow := httpx.WithBeforeAttempt(func(r *http.Request, _ *retry.Failure) error {
			<-r.Context().Done()
			return r.Context().Err()
		})
		c := pipeClient(t, plan(&sent, []int{200}), p, slow)
		start := time.Now()
		_, err := c.Get("http://pipe/")
		require.ErrorContains(t, err, "(evenkeel: before attempt 1)")
		require.Equal(t, time.Second, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err = c.Do(request(t, "GET", "http://pipe/", nil).WithContext(ctx))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, sent.Load())
	})
}

func TestBeforeAttempt_PanicInHookLeavesNothing(t *testing.T) {
	for name, leave := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
		for _, at := range []int{1, 2} {
			synctest.Test(t, func(t *testing.T) {
				asked, closed, drained := 0, atomic.Int32{}, atomic.Int32{}
				var seen recorder
				p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Minute) }, retry.WithObserver(&seen))
				tr := httpx.NewTransport(base(func(r *http.Request) (*http.Response, error) {
					return reply(503, closer{strings.NewReader("busy"), &drained}), readAll(r)
				}), p, httpx.WithBodyBuffer(10), httpx.WithBeforeAttempt(func(*http.Request, *retry.Failure) error {
					if asked++; asked == at {
						leave()
					}
					return nil
				}))
				over := make(chan any)
				go func() {
					defer func() { over <- recover() }()
					req := request(t, http.MethodPut, "http://h/", nil)
					req.Body = closer{io.MultiReader(strings.NewReader("abc")), &closed}
					_, _ = tr.RoundTrip(req)
				}()
				if got := <-over; name == "panic" {
					require.Equal(t, "boom", got)
				}
				synctest.Wait()
				require.EqualValues(t, 1, closed.Load(), "the request's body, %s at %d", name, at)
				require.EqualValues(t, at-1, drained.Load())
			})
		}
	}
}
