package httpx_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

const hedgeDelay = 100 * time.Millisecond

func hedging(t testing.TB, change func(*retry.Config)) *retry.Policy {
	return policy(t, func(c *retry.Config) {
		c.Hedge = timeout.Fixed(hedgeDelay)
		c.Budget = budget.Unlimited{}
		if change != nil {
			change(c)
		}
	})
}

// plan answers the nth request with codes[n] after delays[n], or not at all once the client has
// gone.
func plan(sent *atomic.Int32, codes []int, delays ...time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n := int(sent.Add(1)) - 1
		body, _ := io.ReadAll(r.Body)
		select {
		case <-time.After(delays[n]):
			w.WriteHeader(codes[n])
			_, _ = w.Write(body)
		case <-r.Context().Done():
		}
	}
}

func TestHedge_Slow200BeatsFast503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		p := hedging(t, func(c *retry.Config) { c.MaxAttempts = 2 })
		c := pipeClient(t, plan(&sent, []int{200, 503}, 300*time.Millisecond, 0), p)
		start := time.Now()
		resp, err := c.Get("http://pipe/")
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		text(t, resp)
		require.Equal(t, 300*time.Millisecond, time.Since(start))
		require.EqualValues(t, 2, sent.Load())
	})
}

func TestHedge_Fast404BeatsSlow200(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		c := pipeClient(t, plan(&sent, []int{200, 404}, time.Minute, 0), hedging(t, nil))
		start := time.Now()
		resp, err := c.Get("http://pipe/")
		require.NoError(t, err)
		require.Equal(t, 404, resp.StatusCode)
		text(t, resp)
		require.Equal(t, hedgeDelay, time.Since(start))
	})
}

func TestHedge_BodiesAreCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		c := pipeClient(t, plan(&sent, []int{200, 200, 200}, time.Minute, time.Minute, 0), hedging(t, nil))
		content := strings.Repeat("pay 5 ", 10_000)
		req := request(t, http.MethodPost, "http://pipe/", strings.NewReader(content))
		req.Header.Set("Idempotency-Key", "k")
		resp, err := c.Do(req)
		require.NoError(t, err)
		require.Equal(t, content, text(t, resp))
		require.EqualValues(t, 3, sent.Load())
	})
}

func TestHedge_NeverNonIdempotentOrUncopyable(t *testing.T) {
	for name, make := range map[string]func(testing.TB) *http.Request{
		"POST": func(t testing.TB) *http.Request {
			return request(t, http.MethodPost, "http://pipe/", strings.NewReader("x"))
		},
		"no GetBody": func(t testing.TB) *http.Request {
			return request(t, http.MethodPut, "http://pipe/", io.MultiReader(strings.NewReader("x")))
		},
		"upgrade": func(t testing.TB) *http.Request {
			req := request(t, http.MethodGet, "http://pipe/", nil)
			req.Header.Set("Connection", "Upgrade")
			req.Header.Set("Upgrade", "echo")
			return req
		},
		"declared": func(t testing.TB) *http.Request {
			return get(t, retry.WithIdempotency(context.Background(), retry.NotIdempotent), "http://pipe/")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent atomic.Int32
				c := pipeClient(t, plan(&sent, []int{200, 200}, time.Second, 0), hedging(t, nil), httpx.WithBodyBuffer(10))
				resp, err := c.Do(make(t))
				require.NoError(t, err)
				text(t, resp)
				require.EqualValues(t, 1, sent.Load())
			})
		})
	}
}

func TestHedge_FailureRetriesAfterBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		p := hedging(t, func(c *retry.Config) { c.Backoff = backoff.Constant(10 * time.Millisecond) })
		c := pipeClient(t, plan(&sent, []int{500, 200}, 0, 0), p)
		start := time.Now()
		resp, err := c.Get("http://pipe/")
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		text(t, resp)
		require.Equal(t, 10*time.Millisecond, time.Since(start))
	})
}

func TestHedge_CountsTowardMaxAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		second := time.Second
		codes := many(20, 503)
		p := hedging(t, func(c *retry.Config) { c.MaxAttempts = 4 })
		c := pipeClient(t, plan(&sent, codes, second, second, 0, second, 0, 0, 0), p)
		resp, err := c.Get("http://pipe/")
		require.NoError(t, err)
		require.Equal(t, 503, resp.StatusCode)
		text(t, resp)
		require.EqualValues(t, 4, sent.Load())
	})
}

func TestHedge_WinnersContextEndsWithBody(t *testing.T) {
	for _, how := range []string{"close", "read"} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var contexts []context.Context
			var sent atomic.Int32
			base := pipeServer(t, plan(&sent, []int{200, 200}, time.Minute, 0))
			tr := httpx.NewTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
				mu.Lock()
				contexts = append(contexts, r.Context())
				mu.Unlock()
				return base.RoundTrip(r)
			}), hedging(t, nil))
			req := request(t, http.MethodPut, "http://pipe/", strings.NewReader("some body"))
			resp, err := tr.RoundTrip(req)
			require.NoError(t, err)
			require.Len(t, contexts, 2)
			require.Error(t, contexts[0].Err(), "the loser is cancelled")
			require.NoError(t, contexts[1].Err())
			if how == "close" {
				require.NoError(t, resp.Body.Close())
			} else {
				_, err = io.ReadAll(resp.Body)
				require.NoError(t, err)
			}
			require.Error(t, contexts[1].Err())
		})
	}
}

func TestHedge_LateLoserIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent, closed atomic.Int32
		deaf := roundTripFunc(func(*http.Request) (*http.Response, error) { // ignores its context
			if sent.Add(1) == 1 {
				time.Sleep(time.Second)
			}
			return &http.Response{StatusCode: 200, Body: closer{strings.NewReader("late"), &closed}}, nil
		})
		resp, err := httpx.NewTransport(deaf, hedging(t, nil)).RoundTrip(request(t, http.MethodGet, "http://host/", nil))
		require.NoError(t, err)
		require.EqualValues(t, 1, closed.Load())
		text(t, resp)
		require.EqualValues(t, 2, closed.Load())
	})
}

func TestHedge_UnneededIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		c := pipeClient(t, plan(&sent, []int{200}, 0), hedging(t, nil))
		start := time.Now()
		resp, err := c.Get("http://pipe/")
		require.NoError(t, err)
		text(t, resp)
		require.Zero(t, time.Since(start))
		time.Sleep(time.Minute)
		require.EqualValues(t, 1, sent.Load())
	})
}

func TestHedge_ExhaustedBudgetKeepsAttemptsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		p := hedging(t, func(c *retry.Config) { c.Budget = budget.TokenBucket{}; c.MaxAttempts = retry.Unlimited })
		codes := many(100, 200)
		delays := make([]time.Duration, 100)
		for i := range delays {
			delays[i] = time.Minute
		}
		c := pipeClient(t, plan(&sent, codes, delays...), p)
		start := time.Now()
		resp, err := c.Get("http://pipe/")
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		text(t, resp)
		require.Equal(t, time.Minute, time.Since(start), "the first attempt's answer")
		require.Less(t, sent.Load(), int32(100))
	})
}

func TestHedge_HTTP2LosersKeepConnection(t *testing.T) {
	var dialled atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hedged" && r.Header.Get("X-Retry-Attempt") == "" {
			<-r.Context().Done() // the first attempt of each call: its hedge wins
		}
	}))
	s.EnableHTTP2 = true
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			dialled.Add(1)
		}
	}
	s.StartTLS()
	defer s.Close()
	c := s.Client()
	base := c.Transport
	resp, err := c.Get(s.URL) // two that dial at the same time would each get a connection
	require.NoError(t, err)
	text(t, resp)
	c.Transport = httpx.NewTransport(base, hedging(t, func(c *retry.Config) { c.Hedge = timeout.Fixed(time.Millisecond) }))
	for range 20 {
		resp, err := c.Get(s.URL + "/hedged")
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		text(t, resp)
	}
	require.EqualValues(t, 1, dialled.Load())
}

// A trailer is written while the body is read, into the one map there is.
func TestHedge_NeverWithTrailers(t *testing.T) {
	n := 0
	tr := httpx.NewTransport(tripper(func(req *http.Request) (*http.Response, error) {
		n++
		time.Sleep(20 * time.Millisecond)
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, readAll(req)
	}), retry.Must(retry.New(retry.Config{Hedge: timeout.Fixed(time.Millisecond), Budget: budget.Unlimited{}})))
	req, err := http.NewRequest(http.MethodPut, "http://memory.test/", strings.NewReader("abc"))
	require.NoError(t, err)
	req.Trailer = http.Header{"X-Sum": nil}
	_, err = tr.RoundTrip(req)
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func TestHedge_RequestBodyErrorEndsCall(t *testing.T) {
	for _, hedge := range []timeout.Spec{nil, timeout.Fixed(time.Hour)} {
		var seen reportsOf
		tr := httpx.NewTransport(tripper(func(req *http.Request) (*http.Response, error) { return nil, readAll(req) }),
			retry.Must(retry.New(retry.Config{Hedge: hedge}, retry.WithObserver(&seen))))
		req, err := http.NewRequest(http.MethodPut, "http://memory.test/", burning{})
		require.NoError(t, err)
		req.GetBody = func() (io.ReadCloser, error) { return burning{}, nil }
		_, err = tr.RoundTrip(req)
		require.EqualError(t, err, "disk on fire")
		require.Equal(t, 1, seen[0].Attempts, hedge)
		require.Equal(t, retry.ReasonRejected, seen[0].Reason, hedge)
	}
}

func TestHedge_BaseMayChangeHeaders(t *testing.T) {
	// It must not, and many do, where it is safe as long as a request is sent once.
	signing := base(func(req *http.Request) (*http.Response, error) {
		for i := range 2000 {
			req.Header.Set(fmt.Sprint("X-Signature-", i%7), "s")
			req.Header.Add("X-Trace", "t")
		}
		if retry.AttemptNumber(req.Context()) < 3 {
			return reply(503, http.NoBody), nil
		}
		return reply(200, http.NoBody), nil
	})
	p := hedging(t, func(c *retry.Config) { c.Hedge = timeout.Fixed(1) })
	for _, opts := range [][]httpx.Option{nil, {httpx.WithoutHeaders()}} {
		for range 20 {
			req := request(t, http.MethodGet, "http://h/", nil)
			req.Header["X-Trace"] = make([]string, 0, 10000)
			_, err := httpx.NewTransport(signing, p, opts...).RoundTrip(req)
			require.NoError(t, err)
			require.Equal(t, http.Header{"X-Trace": {}}, req.Header)
			require.Equal(t, []string{""}, req.Header["X-Trace"][:1])
		}
	}
}
