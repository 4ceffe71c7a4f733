package httpx_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// cancelable returns a request with the deprecated Request.Cancel.
func cancelable(t testing.TB, ctx context.Context) (*http.Request, chan struct{}) {
	cancel := make(chan struct{})
	req := get(t, ctx, "http://pipe/")
	//lint:ignore SA1019 net/http honors it
	req.Cancel = cancel
	return req, cancel
}

func TestRequestCancel_EndsWait(t *testing.T) {
	for _, way := range []string{"plain", "timed", "hedged"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, err := policies(t)[way].Reload(waiting(policies(t)[way].Config()))
				require.NoError(t, err)
				var sent atomic.Int32
				c := pipeClient(t, func(w http.ResponseWriter, _ *http.Request) {
					sent.Add(1)
					w.WriteHeader(http.StatusServiceUnavailable)
				}, p)
				req, cancel := cancelable(t, t.Context())
				time.AfterFunc(time.Second, func() { close(cancel) })
				start := time.Now()
				_, err = c.Do(req)
				require.ErrorIs(t, err, context.Canceled)
				require.Equal(t, time.Second, time.Since(start))
				require.EqualValues(t, 1, sent.Load())
			})
		})
	}
}

func TestRequestCancel_DuringAttemptIsCancellation(t *testing.T) {
	for _, way := range []string{"plain", "timed", "hedged"} {
		t.Run(way, func(t *testing.T) {
			for range 100 { // net/http and the watch look at it at the same time
				synctest.Test(t, func(t *testing.T) {
					c := pipeClient(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, policies(t)[way])
					req, cancel := cancelable(t, t.Context())
					time.AfterFunc(time.Millisecond, func() { close(cancel) })
					_, err := c.Do(req)
					require.ErrorIs(t, err, context.Canceled)
					require.ErrorContains(t, err, ": net/http: request canceled", "as without a Transport")
				})
			}
		})
	}
}

// TestRequestCancel_ClientTimeoutWhileReading reads a body until http.Client.Timeout, which ends
// the context and closes Request.Cancel at once: without a Transport there is one error for that.
func TestRequestCancel_ClientTimeoutWhileReading(t *testing.T) {
	for _, way := range []string{"plain", "timed", "hedged", "never"} {
		t.Run(way, func(t *testing.T) {
			for range 100 {
				synctest.Test(t, func(t *testing.T) {
					c := pipeClient(t, func(w http.ResponseWriter, r *http.Request) {
						_ = http.NewResponseController(w).Flush()
						<-r.Context().Done()
					}, policies(t)[way])
					c.Timeout = time.Second
					resp, err := c.Get("http://pipe/")
					require.NoError(t, err)
					defer resp.Body.Close()
					_, err = io.ReadAll(resp.Body)
					require.EqualError(t, err, "context deadline exceeded (Client.Timeout or context cancellation while reading body)")
				})
			}
		})
	}
}

func waiting(c retry.Config) retry.Config {
	c.ThrottledBackoff = backoff.Constant(time.Minute)
	return c
}

func TestRequestCancel_KeepsBodyLeavesNothing(t *testing.T) {
	for way, p := range policies(t) {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, end := context.WithCancel(t.Context())
				defer end()
				var sent atomic.Int32
				rt := httpx.NewTransport(pipeServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					if sent.Add(1) == 1 && way != "never" {
						w.WriteHeader(http.StatusServiceUnavailable)
						return
					}
					_, _ = io.WriteString(w, "he")
					w.(http.Flusher).Flush()
					time.Sleep(time.Second)
					_, _ = io.WriteString(w, "llo")
				})), p)
				req, _ := cancelable(t, parent)
				resp, err := rt.RoundTrip(req)
				require.NoError(t, err)
				require.Equal(t, "hello", text(t, resp))
			})
		})
	}
}

func TestRequestCancel_PanicLeavesNoWatcher(t *testing.T) {
	rt := httpx.NewTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
		if retry.AttemptNumber(req.Context()) > 1 {
			panic("oops")
		}
		return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: http.NoBody}, nil
	}), policy(t, nil))
	req, _ := cancelable(t, t.Context())
	require.PanicsWithValue(t, "oops", func() { _, _ = rt.RoundTrip(req) }) // goleak has the last word
}

// TestCancelRequest_IsCancellation has the caller give up by the deprecated
// http.Transport.CancelRequest, of which neither the context nor the request knows.
func TestCancelRequest_IsCancellation(t *testing.T) {
	for name, stall := range map[string]func(*http.Transport) http.Handler{
		"while the server is silent": func(*http.Transport) http.Handler {
			return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		},
		"while dialing": func(base *http.Transport) http.Handler {
			base.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return nil
		},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(name+"/"+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var handler http.Handler
					base := pipeServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
					handler = stall(base)
					var seen recorder
					req := request(t, method, "http://pipe/", nil)
					//lint:ignore SA1019 people use it
					time.AfterFunc(time.Second, func() { base.CancelRequest(req) })
					_, err := httpx.NewTransport(base, policy(t, nil, retry.WithObserver(&seen))).RoundTrip(req)
					require.ErrorContains(t, err, "request canceled")
					require.Len(t, seen.attempts, 1)
					require.Equal(t, retry.Canceled, seen.attempts[0].Outcome.Class)
					require.Equal(t, retry.ReasonCanceled, seen.calls[0].Reason)
				})
			})
		}
	}
}

func TestCancel_DuringWaitReturnsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		c := pipeClient(t, func(w http.ResponseWriter, _ *http.Request) {
			sent.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
		}, policy(t, func(c *retry.Config) { c.ThrottledBackoff = backoff.Constant(time.Minute) }))
		ctx, cancel := context.WithCancelCause(t.Context())
		shutdown := errors.New("shutting down")
		time.AfterFunc(time.Second, func() { cancel(shutdown) })
		start := time.Now()
		_, err := c.Do(get(t, ctx, "http://pipe/"))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, shutdown)
		require.Equal(t, time.Second, time.Since(start))
		require.EqualValues(t, 1, sent.Load())
	})
}

func TestCancel_WithCauseDuringAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, policy(t, nil))
		ctx, cancel := context.WithCancelCause(t.Context())
		shutdown := errors.New("shutting down")
		time.AfterFunc(time.Second, func() { cancel(shutdown) })
		_, err := c.Do(get(t, ctx, "http://pipe/"))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, shutdown)
	})
}
