package httpx_test

import (
	"compress/gzip"
	"io"
	"net/http"
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

// busyBodies returns ways to write a 503 with a body.
func busyBodies() map[string]func(w http.ResponseWriter, text string) {
	return map[string]func(w http.ResponseWriter, text string){
		"sized": func(w http.ResponseWriter, text string) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, text)
		},
		"chunked": func(w http.ResponseWriter, text string) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, text)
		},
		"gzip": func(w http.ResponseWriter, text string) {
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(http.StatusServiceUnavailable)
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, text)
			_ = z.Close()
		},
	}
}

// held has a call wait ten seconds after a 503 with a body, over a connection that is the only
// one, and calls during, with the Transport, while it waits. It returns the call's response.
func held(
	t *testing.T, h http.HandlerFunc, change func(*retry.Config), during func(rt *httpx.Transport), opts ...retry.Option,
) *http.Response {
	first := true
	base := pipeServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/busy" && first {
			first = false
			w.Header().Set("Retry-After", "10")
			h(w, r)
		}
	}))
	base.MaxConnsPerHost = 1
	rt := httpx.NewTransport(base, policy(t, change, opts...))
	answered := make(chan *http.Response, 1)
	go func() {
		resp, err := rt.RoundTrip(get(t, t.Context(), "http://pipe/busy"))
		if err != nil {
			t.Error(err)
		}
		answered <- resp
	}()
	synctest.Wait()
	during(rt)
	return <-answered
}

func TestHold_ConnectionIsFreeDuringWait(t *testing.T) {
	for name, write := range busyBodies() {
		for way, change := range map[string]func(*retry.Config){
			"plain":  nil,
			"timed":  func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Minute) },
			"hedged": func(c *retry.Config) { c.Hedge = timeout.Fixed(time.Minute) },
		} {
			t.Run(name+"/"+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					resp := held(t, func(w http.ResponseWriter, _ *http.Request) { write(w, "busy") }, change, func(rt *httpx.Transport) {
						start := time.Now()
						resp, err := rt.RoundTrip(get(t, t.Context(), "http://pipe/other"))
						require.NoError(t, err)
						require.Equal(t, http.StatusOK, resp.StatusCode)
						text(t, resp)
						require.Zero(t, time.Since(start))
					})
					require.Equal(t, http.StatusOK, resp.StatusCode)
					text(t, resp)
				})
			})
		}
	}
}

// A call may still end with the answer that it had before the wait.
func TestHold_AnswerStaysWholeAfterWait(t *testing.T) {
	for name, write := range busyBodies() {
		for size, long := range map[string]string{"short": "busy", "as drained": strings.Repeat("x", 64<<10), "long": strings.Repeat("x", 1<<20)} {
			t.Run(name+"/"+size, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var off atomic.Bool
					busy := func(w http.ResponseWriter, _ *http.Request) { write(w, long) }
					resp := held(t, busy, nil, func(*httpx.Transport) { off.Store(true) }, retry.WithSwitch(&off))
					require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
					require.Equal(t, long, text(t, resp))
				})
			})
		}
	}
}

// A body that stalls keeps its connection, but not the call.
func TestHold_StalledBodyDoesNotStallRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		resp := held(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "bu")
			stalled(w, r)
		}, func(c *retry.Config) { c.MaxHint = time.Minute }, func(*httpx.Transport) {})
		require.Equal(t, http.StatusOK, resp.StatusCode)
		text(t, resp)
		require.LessOrEqual(t, time.Since(start), 13*time.Second)
	})
}
