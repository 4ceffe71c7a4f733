package httpx_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestHandler_ReadsDeadline(t *testing.T) {
	const none = -1
	for name, test := range map[string]struct {
		header http.Header
		left   time.Duration // none: no deadline; 0: refused
	}{
		"absent":             {http.Header{}, none},
		"duration":           {http.Header{"Request-Timeout": {"1.5s"}}, 1500 * time.Millisecond},
		"seconds":            {http.Header{"Request-Timeout": {"3"}}, 3 * time.Second},
		"envoy":              {http.Header{"X-Envoy-Expected-Rq-Timeout-Ms": {"250"}}, 250 * time.Millisecond},
		"grpc":               {http.Header{"Grpc-Timeout": {"2M"}}, 2 * time.Minute},
		"connect":            {http.Header{"Connect-Timeout-Ms": {"5000"}}, 5 * time.Second},
		"the shortest":       {http.Header{"Request-Timeout": {"3s", "2s"}, "Grpc-Timeout": {"1S"}}, time.Second},
		"expired":            {http.Header{"Request-Timeout": {"0"}}, 0},
		"negative":           {http.Header{"Request-Timeout": {"-1ms"}}, 0},
		"huge":               {http.Header{"Request-Timeout": {"2000h"}}, time.Hour},
		"huger digits":       {http.Header{"Request-Timeout": {"9999999999999999999999999999"}}, time.Hour},
		"huge ms":            {http.Header{"Connect-Timeout-Ms": {"9223372036854775807"}}, time.Hour},
		"overflow":           {http.Header{"Request-Timeout": {"99999999999999h"}}, none},
		"malformed":          {http.Header{"Request-Timeout": {"soon"}}, none},
		"empty":              {http.Header{"Request-Timeout": {""}}, none},
		"grpc with a sign":   {http.Header{"Grpc-Timeout": {"-1S"}}, none},
		"grpc without unit":  {http.Header{"Grpc-Timeout": {"100"}}, none},
		"grpc of ten digits": {http.Header{"Grpc-Timeout": {"1000000000S"}}, none},
		"long":               {http.Header{"Request-Timeout": {strings.Repeat("1", 100_000)}}, none},
		"many":               {http.Header{"Request-Timeout": append(make([]string, 1000), "1s")}, none},
		"malformed, then ok": {http.Header{"Request-Timeout": {"x"}, "Grpc-Timeout": {"1S"}}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				called := false
				h := httpx.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					called = true
					deadline, ok := r.Context().Deadline()
					require.Equal(t, test.left != none, ok)
					if ok {
						require.Equal(t, test.left, time.Until(deadline))
					}
				}), httpx.WithMaxTimeout(time.Hour))
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header = test.header
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				require.Equal(t, test.left != 0, called)
				if !called {
					require.Equal(t, http.StatusGatewayTimeout, w.Code)
					require.Equal(t, "false", w.Header().Get("X-Should-Retry"))
				}
			})
		})
	}
}

// gRPC clients read a 504 as UNAVAILABLE, which they may retry.
func TestHandler_RefusesGRPCWithStatus(t *testing.T) {
	for _, kind := range []string{"application/grpc", "application/grpc+proto", "application/grpc-web-text"} {
		h := httpx.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("called") }))
		r := httptest.NewRequest(http.MethodPost, "/s/M", nil)
		r.Header = http.Header{"Content-Type": {kind}, "Grpc-Timeout": {"0n"}}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
		for name, want := range map[string]string{
			"Content-Type": kind, "Grpc-Status": "4", "Grpc-Message": "the request's deadline has passed",
			"Grpc-Retry-Pushback-Ms": "-1",
		} {
			require.Equal(t, want, w.Header().Get(name), name)
		}
		require.Empty(t, w.Body.Bytes())
	}
}

func TestDeadline_PropagatesToServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left []time.Duration
		h := httpx.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			deadline, _ := r.Context().Deadline()
			left = append(left, time.Until(deadline))
			time.Sleep(300 * time.Millisecond)
			w.WriteHeader(http.StatusInternalServerError)
		}))
		c := pipeClient(t, h.ServeHTTP, policy(t, nil))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		resp, err := c.Do(get(t, ctx, "http://pipe/"))
		require.NoError(t, err)
		text(t, resp)
		require.Equal(t, []time.Duration{time.Second, 700 * time.Millisecond, 400 * time.Millisecond}, left)
	})
}

func TestHandler_IncomingAttempt(t *testing.T) {
	for name, test := range map[string]struct {
		header http.Header
		want   int
	}{
		"first":     {http.Header{}, 1},
		"third":     {http.Header{"X-Retry-Attempt": {"3"}}, 3},
		"grpc":      {http.Header{"Grpc-Previous-Rpc-Attempts": {"2"}}, 3},
		"zero":      {http.Header{"X-Retry-Attempt": {"0"}}, 1},
		"negative":  {http.Header{"X-Retry-Attempt": {"-2"}}, 1},
		"malformed": {http.Header{"X-Retry-Attempt": {"2x"}}, 1},
		"huge":      {http.Header{"X-Retry-Attempt": {strings.Repeat("9", 200)}}, 1_000_000},
	} {
		observed, inside := 0, 0
		h := httpx.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			inside = httpx.Attempt(r.Context())
		}), httpx.OnAttempt(func(_ *http.Request, n int) { observed = n }))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header = test.header
		h.ServeHTTP(httptest.NewRecorder(), r)
		require.Equal(t, test.want, observed, name)
		require.Equal(t, test.want, inside, name)
	}
	require.Equal(t, 1, httpx.Attempt(context.Background()))
}

func TestHandler_SeesShareOfRetries(t *testing.T) {
	var all, retries atomic.Int32
	s := httptest.NewServer(httpx.Handler(statuses(503, 503, 200), httpx.OnAttempt(func(_ *http.Request, n int) {
		all.Add(1)
		if n > 1 {
			retries.Add(1)
		}
	})))
	defer s.Close()
	resp, err := client(t, policy(t, nil)).Get(s.URL)
	require.NoError(t, err)
	text(t, resp)
	require.EqualValues(t, 3, all.Load())
	require.EqualValues(t, 2, retries.Load())
}

func TestHandler_PassesDoNotRetryUpward(t *testing.T) {
	leaf := serve(t, many(1000, 503)...)
	middle := func(below string) *httptest.Server {
		c := client(t, policy(t, nil))
		s := httptest.NewServer(httpx.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			resp, err := c.Do(get(t, r.Context(), below))
			if err != nil {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			resp.Body.Close()
			w.WriteHeader(resp.StatusCode)
		})))
		t.Cleanup(s.Close)
		return s
	}
	top := middle(middle(middle(leaf.URL).URL).URL)
	resp, err := client(t, policy(t, nil)).Get(top.URL)
	require.NoError(t, err)
	require.Equal(t, 503, resp.StatusCode)
	require.Equal(t, "false", resp.Header.Get("X-Should-Retry"))
	text(t, resp)
	require.Equal(t, 3, leaf.count(), "not 81")
	stopped, _ := httpx.ReportFrom(resp.Request.Context())
	require.Equal(t, retry.ReasonNoRetry, stopped.Reason)
}

func TestHandler_ExhaustedCallMarksRetryableStatusOnly(t *testing.T) {
	leaf := serve(t, many(3, 503)...)
	c := client(t, policy(t, nil))
	for code, want := range map[int]string{200: "", 404: "", 500: "false", 429: "false", 503: "false"} {
		h := httpx.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			leaf.mu.Lock()
			leaf.Seen = nil
			leaf.mu.Unlock()
			resp, err := c.Do(get(t, r.Context(), leaf.URL))
			require.NoError(t, err)
			resp.Body.Close()
			w.WriteHeader(code)
		}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		require.Equal(t, want, w.Header().Get("X-Should-Retry"), code)
	}
}

// withFlush and the others are what writers may be able to do.
type (
	bare      struct{ http.ResponseWriter }
	withFlush struct {
		bare
		flushed *int
	}
	withPush   struct{ withFlush }
	withHijack struct{ withFlush }
)

func (w withFlush) Flush()                            { *w.flushed++ }
func (withPush) Push(string, *http.PushOptions) error { return errors.New("pushed") }
func (withHijack) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.New("hijacked")
}

func TestHandler_WriterHasSameInterfaces(t *testing.T) {
	flushed := 0
	f := withFlush{bare{httptest.NewRecorder()}, &flushed}
	for name, test := range map[string]struct {
		w                   http.ResponseWriter
		flush, hijack, push bool
	}{
		"bare": {bare{httptest.NewRecorder()}, false, false, false}, "flush": {f, true, false, false},
		"push": {withPush{f}, true, false, true}, "hijack": {withHijack{f}, true, true, false},
	} {
		h := httpx.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			flusher, ok := w.(http.Flusher)
			require.Equal(t, test.flush, ok, name)
			if ok {
				flusher.Flush()
				require.NoError(t, http.NewResponseController(w).Flush())
			} else {
				require.ErrorIs(t, http.NewResponseController(w).Flush(), http.ErrNotSupported)
			}
			hijacker, ok := w.(http.Hijacker)
			require.Equal(t, test.hijack, ok, name)
			if ok {
				_, _, err := hijacker.Hijack()
				require.EqualError(t, err, "hijacked")
			}
			pusher, ok := w.(http.Pusher)
			require.Equal(t, test.push, ok, name)
			if ok {
				require.EqualError(t, pusher.Push("/", nil), "pushed")
			}
			n, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("abc"))
			require.NoError(t, err)
			require.EqualValues(t, 3, n)
		}))
		h.ServeHTTP(test.w, httptest.NewRequest(http.MethodGet, "/", nil))
	}
	require.Equal(t, 6, flushed)
}

func TestOptions_NilIsNamed(t *testing.T) {
	require.PanicsWithValue(t, "httpx.NewTransport: Option: must not be nil", func() { httpx.NewTransport(nil, nil, nil) })
	require.PanicsWithValue(t, "httpx.Handler: HandlerOption: must not be nil", func() {
		httpx.Handler(http.NotFoundHandler(), nil)
	})
}
