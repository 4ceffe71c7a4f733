package httpx_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// busyAfter answers the first request with a 503 and a body after d, and all others with 200.
func busyAfter(d time.Duration, header http.Header, body string) http.HandlerFunc {
	return onceBusy(header, func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		time.Sleep(d)
		_, _ = io.WriteString(w, body)
	})
}

// A hedge may be waiting for the connection of the failure that is kept while it is under way.
func TestHold_HedgeGetsConnectionOfFailure(t *testing.T) {
	for name, header := range map[string]http.Header{"plain": {}, "JSON": {"Content-Type": {"application/json"}}} {
		synctest.Test(t, func(t *testing.T) {
			first := true
			base := pipeServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if first {
					first = false
					time.Sleep(2 * hedgeDelay)
					w.Header()["Content-Type"] = header["Content-Type"]
					w.WriteHeader(http.StatusTooManyRequests)
					_, _ = io.WriteString(w, strings.Repeat("busy ", 5000))
				}
			}))
			base.MaxConnsPerHost = 1
			resp, err := httpx.NewTransport(base, hedging(t, func(c *retry.Config) { c.MaxAttempts = 2 })).
				RoundTrip(get(t, t.Context(), "http://pipe/"))
			require.NoError(t, err, name)
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Equal(t, 2, httpx.AttemptsFrom(resp))
			text(t, resp)
		})
	}
}

// A call that waits for its next attempt keeps no connection from others.
func TestHold_OtherCallGetsConnectionDuringWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := pipeServer(t, busyAfter(time.Millisecond, http.Header{"Retry-After": {"10"}}, "busy"))
		base.MaxConnsPerHost = 1
		c := &http.Client{Transport: httpx.NewTransport(base, policy(t, nil))}
		done := make(chan struct{})
		go func() {
			defer close(done)
			resp, err := c.Get("http://pipe/")
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, resp.StatusCode)
			text(t, resp)
		}()
		synctest.Wait()
		start := time.Now()
		resp, err := c.Get("http://pipe/")
		require.NoError(t, err)
		text(t, resp)
		require.Less(t, time.Since(start), time.Second, "on the bubble's clock")
		<-done
	})
}

// later is a budget that lets each retry wait until it has been asked for ten times.
type later struct {
	budget.Budget
	asked *atomic.Int32
}

func (b later) Ask(time.Time, budget.Kind, budget.Evidence, budget.Permit) (budget.Permit, budget.Answer) {
	if b.asked.Add(1) < 10 {
		return 0, budget.Later
	}
	return 0, budget.Granted
}

func (later) Hopeless(time.Time, budget.Evidence, budget.Permit) bool { return false }

// A retry that is due at once may still have to wait for the budget.
func TestHold_OtherCallGetsConnectionDuringBudgetWait(t *testing.T) {
	for name, change := range map[string]func(*retry.Config){
		"plain": func(*retry.Config) {}, "hedged": func(c *retry.Config) { c.Hedge = timeout.Fixed(time.Hour) },
	} {
		synctest.Test(t, func(t *testing.T) {
			base := pipeServer(t, busyAfter(time.Millisecond, http.Header{}, "busy"))
			base.MaxConnsPerHost = 1
			b := later{budget.Unlimited{}.New(), new(atomic.Int32)}
			c := &http.Client{Transport: httpx.NewTransport(base, policy(t, func(c *retry.Config) {
				c.Budget = budget.Shared(b)
				change(c)
			}))}
			done := make(chan struct{})
			go func() {
				defer close(done)
				resp, err := c.Get("http://pipe/")
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, resp.StatusCode)
				text(t, resp)
			}()
			time.Sleep(2 * time.Millisecond)
			resp, err := c.Get("http://pipe/")
			require.NoError(t, err)
			text(t, resp)
			require.Less(t, b.asked.Load(), int32(10), name)
			<-done
		})
	}
}

// What was read ahead is the caller's if the call stops with that answer: a 404 that may be due to
// the first attempt, which then fails.
func TestHold_AnswerStaysWhole(t *testing.T) {
	for name, size := range map[string]int{"short": 5, "long": 1 << 20} {
		synctest.Test(t, func(t *testing.T) {
			body := strings.Repeat("x", size)
			base := pipeServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("X-Retry-Attempt") == "" {
					time.Sleep(time.Second)
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w, body)
			}))
			p := hedging(t, func(c *retry.Config) { c.MaxAttempts = 2 })
			resp, err := httpx.NewTransport(base, p).RoundTrip(request(t, http.MethodDelete, "http://pipe/", nil))
			require.NoError(t, err, name)
			require.Equal(t, http.StatusNotFound, resp.StatusCode)
			require.Equal(t, body, text(t, resp))
		})
	}
}

// The renewal may go to the host that answered 401.
func TestHold_RenewalGetsConnectionOf401(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := pipeServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" && r.Header.Get("X-Retry-Attempt") == "" {
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(w, strings.Repeat("who? ", 5000))
			}
		}))
		base.MaxConnsPerHost = 1
		tr := httpx.NewTransport(base, policy(t, func(c *retry.Config) { c.Budget = budget.Unlimited{} }),
			httpx.WithReauth(func(ctx context.Context, _ *http.Response) error {
				resp, err := base.RoundTrip(get(t, ctx, "http://pipe/token"))
				if err == nil {
					text(t, resp)
				}
				return err
			}))
		resp, err := tr.RoundTrip(get(t, t.Context(), "http://pipe/"))
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		text(t, resp)
	})
}
