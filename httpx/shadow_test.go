package httpx_test

import (
	"context"
	"net/http"
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

// keyed answers as a server with idempotency keys does: a key whose first request is still being
// handled is told so with busy, and later it gets the first request's answer.
type keyed struct {
	takes time.Duration
	busy  int

	mu    sync.Mutex
	done  bool
	times []time.Time
}

func (k *keyed) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	k.mu.Lock()
	k.times = append(k.times, time.Now())
	first, done := len(k.times) == 1, k.done
	k.mu.Unlock()
	switch {
	case done:
	case !first:
		w.WriteHeader(k.busy)
		return
	default:
		time.Sleep(k.takes) // whether the client waits or not
		k.mu.Lock()
		k.done = true
		k.mu.Unlock()
	}
	w.WriteHeader(http.StatusCreated)
}

// post sends a request with a key of the caller's own.
func post(t testing.TB, c *http.Client, method, header string) (*http.Response, error) {
	req := request(t, method, "http://pipe/", strings.NewReader("pay 5"))
	req.Header[header] = []string{"mine"}
	return c.Do(req)
}

// reported returns the report of a response, whose request a base of a test may have left out.
func reported(resp *http.Response) (*retry.Error, bool) {
	if resp.Request == nil {
		return nil, false
	}
	return httpx.ReportFrom(resp.Request.Context())
}

// keyedCalls are calls of keyed requests whose resend is refused while the first attempt is under
// way.
var keyedCalls = map[string]struct {
	busy    int
	takes   time.Duration
	change  func(*retry.Config)
	send    func(t testing.TB, c *http.Client) (*http.Response, error)
	options []httpx.Option
	at      []time.Duration
}{
	"409 to a resend after an attempt timeout": {
		busy: 409, takes: 2 * time.Second,
		change: func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) },
		send: func(_ testing.TB, c *http.Client) (*http.Response, error) {
			return c.Post("http://pipe/", "text/plain", strings.NewReader("pay 5"))
		},
		options: []httpx.Option{httpx.WithIdempotencyKey()},
		at:      []time.Duration{0, 1010 * time.Millisecond, 1510 * time.Millisecond, 2010 * time.Millisecond},
	},
	"425 to a resend": {
		busy: 425, takes: 1200 * time.Millisecond,
		change: func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) },
		send: func(t testing.TB, c *http.Client) (*http.Response, error) {
			return post(t, c, http.MethodPatch, "X-Idempotency-Key")
		},
		at: []time.Duration{0, 1010 * time.Millisecond, 1510 * time.Millisecond},
	},
	"409 to a hedge, the first attempt wins": {
		busy: 409, takes: 300 * time.Millisecond,
		change: func(c *retry.Config) { c.Hedge = timeout.Fixed(hedgeDelay) },
		send: func(t testing.TB, c *http.Client) (*http.Response, error) {
			return post(t, c, http.MethodPost, "Idempotency-Key")
		},
		at: []time.Duration{0, hedgeDelay},
	},
	"425 to a hedge of a keyed PUT": {
		busy: 425, takes: 300 * time.Millisecond,
		change: func(c *retry.Config) { c.Hedge = timeout.Fixed(hedgeDelay) },
		send: func(t testing.TB, c *http.Client) (*http.Response, error) {
			return post(t, c, http.MethodPut, "Idempotency-Key")
		},
		at: []time.Duration{0, hedgeDelay},
	},
}

func TestShadow_KeyedRequestWaitsForFirstAttempt(t *testing.T) {
	for name, test := range keyedCalls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := &keyed{takes: test.takes, busy: test.busy}
				p := policy(t, func(c *retry.Config) {
					c.MaxAttempts = 5
					c.Budget = budget.Unlimited{}
					c.Backoff = backoff.Constant(10 * time.Millisecond)
					c.ThrottledBackoff = backoff.Constant(500 * time.Millisecond)
					test.change(c)
				})
				start := time.Now()
				resp, err := test.send(t, pipeClient(t, srv.ServeHTTP, p, test.options...))
				require.NoError(t, err)
				require.Equal(t, http.StatusCreated, resp.StatusCode)
				text(t, resp)
				var at []time.Duration
				for _, sent := range srv.times {
					at = append(at, sent.Sub(start))
				}
				require.Equal(t, test.at, at)
			})
		})
	}
}

func TestShadow_ConflictIsAnswerIfNothingInFlight(t *testing.T) {
	ok := func(code int) func() (*http.Response, error) {
		return func() (*http.Response, error) { return reply(code, http.NoBody), nil }
	}
	refused := func() (*http.Response, error) { return nil, refusedDial() }
	for name, test := range map[string]struct {
		key      bool
		attempts []func() (*http.Response, error)
		sent     int
		own      bool
	}{
		"the first attempt's own": {true, []func() (*http.Response, error){ok(409), ok(201)}, 1, false},
		"after a refused dial":    {true, []func() (*http.Response, error){refused, ok(409), ok(201)}, 2, false},
		"without a key":           {false, []func() (*http.Response, error){ok(500), ok(409), ok(201)}, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			tr := httpx.NewTransport(base(func(*http.Request) (*http.Response, error) {
				n++
				return test.attempts[n-1]()
			}), policy(t, nil))
			ctx := context.Background()
			if !test.key {
				ctx = retry.WithIdempotency(ctx, retry.Idempotent)
			}
			req := request(t, http.MethodPost, "http://host/", strings.NewReader("pay 5")).WithContext(ctx)
			if test.key {
				req.Header.Set("Idempotency-Key", "mine")
			}
			resp, err := tr.RoundTrip(req)
			require.NoError(t, err)
			require.Equal(t, http.StatusConflict, resp.StatusCode)
			require.Equal(t, test.sent, n)
			stopped, ok := reported(resp)
			require.Equal(t, test.own, ok && stopped.Shadow)
		})
	}
}

func TestShadow_ConflictHintsCount(t *testing.T) {
	for name, test := range map[string]struct {
		header http.Header
		status int
		least  time.Duration
		reason retry.Reason
	}{
		"a wait":       {http.Header{"Retry-After": {"20"}}, 201, 20 * time.Second, retry.ReasonNone},
		"do not retry": {http.Header{"X-Should-Retry": {"false"}}, 409, 0, retry.ReasonNoRetry},
		"too long":     {http.Header{"Retry-After": {"3600"}}, 409, 0, retry.ReasonHint},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				tr := httpx.NewTransport(base(func(*http.Request) (*http.Response, error) {
					n++
					resp := reply([]int{500, 409, 201}[n-1], http.NoBody)
					if n == 2 {
						resp.Header = test.header
					}
					return resp, nil
				}), policy(t, nil), httpx.WithIdempotencyKey())
				start := time.Now()
				resp, err := tr.RoundTrip(request(t, http.MethodPost, "http://host/", strings.NewReader("pay 5")))
				require.NoError(t, err)
				require.Equal(t, test.status, resp.StatusCode)
				require.GreaterOrEqual(t, time.Since(start), test.least)
				stopped, ok := reported(resp)
				require.Equal(t, test.reason != retry.ReasonNone, ok)
				if ok {
					require.Equal(t, test.reason, stopped.Reason)
					require.True(t, stopped.Shadow)
				}
			})
		})
	}
}

// ledger is a budget that admits all and records what attempts came to.
type ledger struct {
	mu    sync.Mutex
	ended []budget.Evidence
}

func (l *ledger) Begin(time.Time) budget.Permit { return 1 }
func (l *ledger) Admit(time.Time, budget.Kind, budget.Evidence, budget.Permit) (budget.Permit, bool) {
	return 1, true
}

func (l *ledger) End(_ time.Time, _ budget.Permit, e budget.Evidence) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = append(l.ended, e)
}
func (l *ledger) New() budget.Budget { return l }
func (l *ledger) Validate() error    { return nil }

func TestShadow_ConflictShowsServerAlive(t *testing.T) {
	var l ledger
	n := 0
	tr := httpx.NewTransport(base(func(*http.Request) (*http.Response, error) {
		n++
		return reply([]int{500, 409, 425, 201}[n-1], http.NoBody), nil
	}), policy(t, func(c *retry.Config) { c.Budget = &l; c.MaxAttempts = 4 }), httpx.WithIdempotencyKey())
	resp, err := tr.RoundTrip(request(t, http.MethodPost, "http://host/", strings.NewReader("pay 5")))
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	require.Equal(t, []budget.Evidence{budget.Failed, budget.Alive, budget.Alive, budget.Alive}, l.ended)
}

func TestShadow_HedgeRefusalDoesNotBeatFirstAttempt(t *testing.T) {
	declared := func(r *http.Request) *http.Request {
		return r.WithContext(retry.WithIdempotency(r.Context(), retry.Idempotent))
	}
	key := func(r *http.Request) *http.Request { r.Header.Set("Idempotency-Key", "k"); return r }
	plain := func(r *http.Request) *http.Request { return r }
	shadows := map[string][]int{
		"DELETE": {404, 410, 409, 412, 423, 428}, "PUT": {409, 412, 428}, "MOVE": {404, 409, 412}, "MKCOL": {405, 409},
		"COPY": {412}, "UNLOCK": {409, 404}, "MKCALENDAR": {403}, "POST": {404, 409, 412}, "PATCH": {409, 410},
		"INCREMENT": {404, 409},
	}
	answers := map[string][]int{
		"DELETE": {400, 401, 403, 405}, "PUT": {404, 410, 422}, "GET": {404, 409, 412}, "QUERY": {404, 409},
		"PROPFIND": {404, 423}, "MKCOL": {415}, "COPY": {404}, "POST": {400, 422},
	}
	for name, test := range map[string]struct {
		cases map[string][]int
		with  func(*http.Request) *http.Request
		want  int // 0: the hedge's
		takes time.Duration
	}{
		"shadows":           {shadows, declared, 200, 300 * time.Millisecond},
		"answers":           {answers, declared, 0, hedgeDelay},
		"without a word":    {map[string][]int{"DELETE": {404}, "PUT": {409, 412, 428}}, plain, 200, 300 * time.Millisecond},
		"answers to a key":  {map[string][]int{"POST": {404, 410, 422}, "PATCH": {404}}, key, 0, hedgeDelay},
		"the key's content": {map[string][]int{"POST": {412}, "PATCH": {412, 428}}, key, 200, 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			for method, codes := range test.cases {
				for _, code := range codes {
					synctest.Test(t, func(t *testing.T) {
						var sent atomic.Int32
						p := hedging(t, func(c *retry.Config) { c.MaxAttempts = 2 })
						c := pipeClient(t, plan(&sent, []int{200, code}, 300*time.Millisecond, 0), p)
						start := time.Now()
						resp, err := c.Do(test.with(request(t, method, "http://pipe/", nil)))
						require.NoError(t, err)
						text(t, resp)
						want := test.want
						if want == 0 {
							want = code
						}
						require.Equal(t, want, resp.StatusCode, "%s %d", method, code)
						require.Equal(t, test.takes, time.Since(start), "%s %d", method, code)
						require.EqualValues(t, 2, sent.Load())
					})
				}
			}
		})
	}
}

func TestShadow_IsAnswerIfNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		c := pipeClient(t, plan(&sent, []int{404, 404, 200}, 300*time.Millisecond, 0, 0), hedging(t, nil))
		start := time.Now()
		resp, err := c.Do(request(t, http.MethodDelete, "http://pipe/", nil))
		require.NoError(t, err)
		text(t, resp)
		require.Equal(t, http.StatusNotFound, resp.StatusCode)
		require.Equal(t, 300*time.Millisecond, time.Since(start))
		require.EqualValues(t, 2, sent.Load(), "after a refusal no other attempt is sent")
	})
}

func TestShadow_InReportOfResend(t *testing.T) {
	for name, test := range map[string]struct {
		method string
		codes  []int // 0: a refused dial
		own    bool
	}{
		"DELETE, 503, 404":           {"DELETE", []int{503, 404}, true},
		"DELETE, 502, 410":           {"DELETE", []int{502, 410}, true},
		"DELETE, 404":                {"DELETE", []int{404}, false},
		"DELETE, refused, 404":       {"DELETE", []int{0, 404}, false},
		"DELETE, refused, 500, 404":  {"DELETE", []int{0, 500, 404}, true},
		"DELETE, 500, 400":           {"DELETE", []int{500, 400}, false},
		"PUT, 500, 412":              {"PUT", []int{500, 412}, true},
		"PUT, 500, 404":              {"PUT", []int{500, 404}, false},
		"GET, 500, 404":              {"GET", []int{500, 404}, false},
		"MOVE, 500, 404":             {"MOVE", []int{500, 404}, true},
		"MKCOL, 500, 405":            {"MKCOL", []int{500, 405}, true},
		"PROPPATCH, 500, 423":        {"PROPPATCH", []int{500, 423}, true},
		"SEARCH, 500, 409":           {"SEARCH", []int{500, 409}, false},
		"DELETE, nothing but errors": {"DELETE", []int{500, 500, 500}, false},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			tr := httpx.NewTransport(base(func(*http.Request) (*http.Response, error) {
				n++
				if test.codes[n-1] == 0 {
					return nil, refusedDial()
				}
				return reply(test.codes[n-1], http.NoBody), nil
			}), policy(t, nil))
			resp, err := tr.RoundTrip(request(t, test.method, "http://host/", nil))
			require.NoError(t, err)
			require.Equal(t, test.codes[len(test.codes)-1], resp.StatusCode)
			require.Len(t, test.codes, n)
			stopped, ok := reported(resp)
			require.Equal(t, n > 1, ok)
			if ok {
				require.Equal(t, test.own, stopped.Shadow)
			}
		})
	}
}
