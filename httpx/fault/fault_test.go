package fault_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx/fault"
	"github.com/evenkeel-go/evenkeel/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func answering(body string) http.RoundTripper {
	return roundTripFunc(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})
}

func get(t testing.TB, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	return req
}

func TestTransport_FollowsScript(t *testing.T) {
	rt := fault.Transport(answering("hello"), fault.Script(
		fault.Fault{Status: 503, Header: http.Header{"Retry-After": {"1"}}, Body: "busy"},
		fault.Fault{Reset: true},
		fault.Fault{Refuse: true},
		fault.Fault{Partial: 2},
		fault.Fault{Partial: -1},
	))
	req := get(t, "http://h/")
	resp, err := rt.RoundTrip(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "busy", string(body))
	require.Equal(t, "1", resp.Header.Get("Retry-After"))
	require.EqualValues(t, 4, resp.ContentLength)
	require.Same(t, req, resp.Request)
	_, err = rt.RoundTrip(req)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	_, err = rt.RoundTrip(req)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	for _, want := range []string{"he", ""} {
		resp, err = rt.RoundTrip(req)
		require.NoError(t, err)
		body, err = io.ReadAll(resp.Body)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, want, string(body))
	}
	resp, err = rt.RoundTrip(req)
	require.NoError(t, err)
	body, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "hello", string(body), "after the script nothing happens")
}

func TestTransport_ReadsAndClosesBodies(t *testing.T) {
	for _, f := range []fault.Fault{{Status: 500}, {Reset: true}, {Refuse: true}} {
		closed := false
		req := get(t, "http://h/")
		req.Body = closer{strings.NewReader("body"), &closed}
		resp, err := fault.Transport(nil, fault.Script(f)).RoundTrip(req)
		require.True(t, err != nil || resp.StatusCode == 500)
		require.True(t, closed)
	}
}

func TestTransport_HEADHasNoBodyToCut(t *testing.T) {
	rt := fault.Transport(answering(""), fault.Script(fault.Fault{Status: 503, Body: "busy"}, fault.Fault{Status: 503, Partial: -1}))
	req := get(t, "http://h/")
	req.Method = http.MethodHead
	for _, length := range []int64{4, 0} {
		resp, err := rt.RoundTrip(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Empty(t, body)
		require.Equal(t, length, resp.ContentLength)
	}
}

type closer struct {
	io.Reader
	closed *bool
}

func (c closer) Close() error {
	*c.closed = true
	return nil
}

func TestLatency_FirstAndEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := fault.Fault{Latency: time.Minute}
		rt := fault.Transport(answering("hello"), fault.Script(slow, slow))
		start := time.Now()
		_, err := rt.RoundTrip(get(t, "http://h/"))
		require.NoError(t, err)
		require.Equal(t, time.Minute, time.Since(start))
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(gone) })
		_, err = rt.RoundTrip(get(t, "http://h/").WithContext(ctx))
		require.ErrorIs(t, err, gone)
		require.Equal(t, time.Minute+time.Second, time.Since(start))
	})
}

func TestHandler_FollowsScript(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		s := httptest.NewUnstartedServer(fault.Handler(
			http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello, world") }),
			fault.Script(
				fault.Fault{Status: 503, Header: http.Header{"Retry-After": {"1"}}, Body: "busy"},
				fault.Fault{Reset: true},
				fault.Fault{Partial: 5},
				fault.Fault{Latency: time.Millisecond},
			),
		))
		s.EnableHTTP2 = h2
		s.StartTLS()
		c := s.Client()
		read := func() (int, string, error) {
			resp, err := c.Do(get(t, s.URL))
			if err != nil {
				return 0, "", err
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			return resp.StatusCode, string(body), err
		}
		code, body, err := read()
		require.NoError(t, err)
		require.Equal(t, 503, code)
		require.Equal(t, "busy", body)
		// A GET on a connection that was used before is repeated by net/http itself if that is
		// reset on HTTP/1.
		c.CloseIdleConnections()
		_, _, err = read()
		require.Error(t, err)
		_, body, err = read()
		require.Error(t, err)
		require.Equal(t, "hello", body)
		code, body, err = read()
		require.NoError(t, err)
		require.Equal(t, 200, code)
		require.Equal(t, "hello, world", body)
		s.Close()
	}
}

func TestRandom_ShareAndSeed(t *testing.T) {
	draw := func(seed uint64) (codes [20_000]int, counts map[int]int) {
		plan := fault.Random(
			seed,
			fault.Rule{Probability: .2, Fault: fault.Fault{Status: 503}},
			fault.Rule{Probability: .1, Fault: fault.Fault{Status: 500}},
		)
		counts = map[int]int{}
		for i := range codes {
			codes[i] = plan(nil).Status
			counts[codes[i]]++
		}
		return codes, counts
	}
	one, counts := draw(1)
	again, _ := draw(1)
	other, _ := draw(2)
	require.True(t, one == again)
	require.False(t, one == other)
	require.InDelta(t, 4000, counts[503], 300)
	require.InDelta(t, 2000, counts[500], 250)
}

func TestConstructors_PanicOnInvalidArguments(t *testing.T) {
	for name, f := range map[string]func(){
		"Probability must be":       func() { fault.Random(0, fault.Rule{Probability: 1.5}) },
		"add up to":                 func() { fault.Random(0, fault.Rule{Probability: .6}, fault.Rule{Probability: .6}) },
		"Transport: nil plan":       func() { fault.Transport(nil, nil) },
		"Handler: nil handler":      func() { fault.Handler(nil, fault.Script()) },
		"nil handler or plan":       func() { fault.Handler(http.NotFoundHandler(), nil) },
		"rule 0: Probability must ": func() { fault.Random(0, fault.Rule{Probability: -1}) },
	} {
		func() {
			defer func() { require.Contains(t, recover(), name) }()
			f()
		}()
	}
}
