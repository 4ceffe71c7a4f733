package httpx_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// once is a server's budget of one retry.
var once = budget.Fleet{Burst: 1, Open: 1}

// answered returns what h answers to a GET, with what a panic of it has left to whoever recovers
// it.
func answered(h http.Handler, r *http.Request) (w *httptest.ResponseRecorder) {
	w = httptest.NewRecorder()
	defer func() {
		if recover() != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}()
	h.ServeHTTP(w, r)
	return w
}

func fetch(h http.Handler) *httptest.ResponseRecorder {
	return answered(h, httptest.NewRequest(http.MethodGet, "/", nil))
}

func replies(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func TestRetryBudget_PaysForInvitedRetries(t *testing.T) {
	for code, pays := range map[int]bool{
		200: false, 301: false, 400: false, 404: false, 409: false, 501: false, 508: false,
		408: true, 425: true, 429: true, 500: true, 502: true, 503: true, 504: true, 599: true,
	} {
		h := httpx.Handler(replies(code), httpx.WithRetryBudget(once))
		require.Empty(t, fetch(h).Header().Get("X-Should-Retry"), code)
		want := ""
		if pays {
			want = "false"
		}
		require.Equal(t, want, fetch(h).Header().Get("X-Should-Retry"), code)
	}
}

func TestRetryBudget_SilentAnswers(t *testing.T) {
	for name, next := range map[string]http.Handler{
		"panic":       http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a bug") }),
		"aborted":     http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		"timeout":     http.TimeoutHandler(http.HandlerFunc(wait), time.Nanosecond, ""),
		"with a body": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusServiceUnavailable) }),
		"after an early hint": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusBadGateway)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			h := httpx.Handler(next, httpx.WithRetryBudget(once))
			require.Empty(t, fetch(h).Header().Get("X-Should-Retry"))
			require.Equal(t, "false", fetch(h).Header().Get("X-Should-Retry"))
		})
	}
}

func wait(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func TestRetryBudget_FinalAnswersAreFree(t *testing.T) {
	said := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Should-Retry", "false")
		w.WriteHeader(503)
	})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	code := said
	h := httpx.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { code(w, r) }), httpx.WithRetryBudget(once))
	fetch(h)
	code = replies(503)
	answered(h, httptest.NewRequestWithContext(gone, http.MethodGet, "/", nil))
	require.Empty(t, fetch(h).Header().Get("X-Should-Retry"), "there is one retry left")
	require.Equal(t, "false", fetch(h).Header().Get("X-Should-Retry"))
}

func TestRetryBudget_OverrulesHandlersInvitation(t *testing.T) {
	h := httpx.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Should-Retry", "true")
		w.WriteHeader(503)
	}), httpx.WithRetryBudget(once))
	require.Equal(t, "true", fetch(h).Header().Get("X-Should-Retry"))
	require.Equal(t, "false", fetch(h).Header().Get("X-Should-Retry"))
}

func TestRetryBudget_SuccessesEarnRetries(t *testing.T) {
	code := http.StatusServiceUnavailable
	h := httpx.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if code != http.StatusOK {
			w.WriteHeader(code)
		}
		_, _ = io.WriteString(w, "text")
	}), httpx.WithRetryBudget(budget.Fleet{Ratio: .5, Burst: 1, Open: 1}))
	for range 3 {
		require.Empty(t, fetch(h).Header().Get("X-Should-Retry"))
		require.Equal(t, "false", fetch(h).Header().Get("X-Should-Retry"))
		code = http.StatusOK
		fetch(h)
		code = http.StatusNotFound // the server works
		fetch(h)
		code = http.StatusServiceUnavailable
	}
}

// hijackable is a writer whose connection can be taken over.
type hijackable struct{ *httptest.ResponseRecorder }

func (hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, nil }

// A conversation that has begun is no request in hand, of which a fifth may be open grants.
func TestRetryBudget_StreamsAreNotInHand(t *testing.T) {
	for name, begin := range map[string]func(w http.ResponseWriter) error{
		"Write":       func(w http.ResponseWriter) error { _, err := w.Write(nil); return err },
		"WriteHeader": func(w http.ResponseWriter) error { w.WriteHeader(http.StatusSwitchingProtocols); return nil },
		"Flush":       func(w http.ResponseWriter) error { w.(http.Flusher).Flush(); return nil },
		"FlushError":  func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
		"Hijack":      func(w http.ResponseWriter) error { _, _, err := w.(http.Hijacker).Hijack(); return err },
		"controller":  func(w http.ResponseWriter) error { _, _, err := http.NewResponseController(w).Hijack(); return err },
	} {
		t.Run(name, func(t *testing.T) {
			begun, over := make(chan error), make(chan struct{})
			h := httpx.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/busy" {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				begun <- begin(w)
				<-over
			}), httpx.WithRetryBudget(budget.Fleet{}))
			var streams sync.WaitGroup
			for range 20 {
				streams.Go(func() {
					h.ServeHTTP(hijackable{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/", nil))
				})
				require.NoError(t, <-begun)
			}
			granted := 0
			for range 10 {
				w := answered(h, httptest.NewRequest(http.MethodGet, "/busy", nil))
				if w.Header().Get("X-Should-Retry") == "" {
					granted++
				}
			}
			close(over)
			streams.Wait()
			require.Equal(t, 2, granted)
		})
	}
}

func TestRetryBudget_OnePerKey(t *testing.T) {
	h := httpx.Handler(replies(503), httpx.WithRetryBudgetBy(once, func(r *http.Request) string { return r.Header.Get("Tenant") }))
	for _, tenant := range []string{"a", "b"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Tenant", tenant)
		require.Empty(t, answered(h, r).Header().Get("X-Should-Retry"))
		require.Equal(t, "false", answered(h, r).Header().Get("X-Should-Retry"))
	}
}

func TestRetryBudget_OneBudgetPerOption(t *testing.T) {
	option := httpx.WithRetryBudget(once)
	require.Empty(t, fetch(httpx.Handler(replies(503), option)).Header().Get("X-Should-Retry"))
	require.Equal(t, "false", fetch(httpx.Handler(replies(503), option)).Header().Get("X-Should-Retry"))
}

func TestRetryBudget_ErrorNamesEachMistake(t *testing.T) {
	require.PanicsWithValue(t, "httpx: WithRetryBudget: Open: must be between 0 (the default) and 1e6, not -1", func() {
		httpx.WithRetryBudget(budget.Fleet{Open: -1})
	})
	require.PanicsWithValue(t, "httpx: WithRetryBudgetBy: must not be nil", func() { httpx.WithRetryBudgetBy(once, nil) })
}

// A thousand processes of one call each, and a server that fails.
func TestRetryBudget_ThousandNewClientsInOutage(t *testing.T) {
	var attempts atomic.Int32
	s := httptest.NewServer(httpx.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		attempts.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}), httpx.WithRetryBudget(budget.Fleet{})))
	defer s.Close()
	const calls = 1000
	inParallel(t, calls, func() {
		p := retry.Must(retry.New(retry.Config{Backoff: backoff.None(), ThrottledBackoff: backoff.None()}))
		resp, err := (&http.Client{Transport: httpx.NewTransport(nil, p)}).Get(s.URL)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
	require.GreaterOrEqual(t, attempts.Load(), int32(calls))
	require.LessOrEqual(t, attempts.Load(), int32(1.05*calls))
}

// A client that only knows x-should-retry, as those of some vendors' SDKs.
func TestRetryBudget_XShouldRetryClientObeys(t *testing.T) {
	var attempts atomic.Int32
	s := httptest.NewServer(httpx.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		attempts.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	}), httpx.WithRetryBudget(budget.Fleet{})))
	defer s.Close()
	const calls = 200
	for range calls {
		for range 3 {
			resp, err := http.Get(s.URL)
			require.NoError(t, err)
			resp.Body.Close()
			if resp.StatusCode < 500 || resp.Header.Get("x-should-retry") == "false" {
				break
			}
		}
	}
	require.LessOrEqual(t, attempts.Load(), int32(calls+2))
}

// inParallel calls f n times, eight at a time.
func inParallel(t *testing.T, n int, f func()) {
	t.Helper()
	var left atomic.Int32
	left.Store(int32(n))
	done := make(chan struct{})
	for range 8 {
		go func() {
			defer func() { done <- struct{}{} }()
			for left.Add(-1) >= 0 {
				f()
			}
		}()
	}
	for range 8 {
		<-done
	}
}

func BenchmarkHandler(b *testing.B) {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	w := bare{httptest.NewRecorder()}
	for name, opts := range map[string][]httpx.HandlerOption{
		"plain": nil, "budget": {httpx.WithRetryBudget(budget.Fleet{})}, "shedding": {httpx.WithLoadShedding(100)},
		"budget-by": {httpx.WithRetryBudgetBy(budget.Fleet{}, func(r *http.Request) string { return r.Method })},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			h := httpx.Handler(ok, opts...)
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}

// Attempt numbers come from strangers: none of them buys a retry, or costs another client one.
func TestRetryBudget_ForgedAttemptNumberChangesNothing(t *testing.T) {
	granted := func(claims ...string) (liars, others int) {
		code := http.StatusServiceUnavailable
		h := httpx.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }),
			httpx.WithRetryBudget(budget.Fleet{}))
		ask := func(claim string) (invited int) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			if claim != "" {
				r.Header.Set("X-Retry-Attempt", claim)
			}
			if answered(h, r).Header().Get("X-Should-Retry") == "" {
				invited++
			}
			return invited
		}
		for range 20 {
			for _, claim := range claims {
				liars += ask(claim)
			}
		}
		code = http.StatusOK // by which the two grants that are open are answered
		ask(claims[0])
		code = http.StatusServiceUnavailable
		for range 20 {
			others += ask("")
		}
		return liars, others
	}
	for _, claims := range [][]string{
		{""}, {"1"}, {"2"}, {"0"}, {"-1"}, {"1000000"}, {"99999999999999999999"}, {"two"}, {"1", "7", "", "3"},
	} {
		liars, others := granted(claims...)
		require.Equal(t, 2, liars, claims)
		require.Equal(t, 2, others, claims)
	}
}

func TestRetryBudget_KeysAreIndependent(t *testing.T) {
	h := httpx.Handler(replies(503), httpx.WithRetryBudgetBy(once, func(r *http.Request) string { return r.URL.Path }))
	ask := func(path, claim string) string {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("X-Retry-Attempt", claim)
		return answered(h, r).Header().Get("X-Should-Retry")
	}
	require.Empty(t, ask("/hostile", "1"))
	for range 1000 {
		require.Equal(t, "false", ask("/hostile", "1"))
	}
	require.Empty(t, ask("/other", "2"))
}
