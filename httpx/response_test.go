package httpx_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// Callers log resp.Request, or send it once more.
func TestResponse_RequestIsCallersAndReusable(t *testing.T) {
	type key struct{}
	for name, p := range policies(t) {
		for _, codes := range [][]int{{200}, {404}, {503}, {500, 429, 404}} {
			t.Run(name, func(t *testing.T) {
				s := serve(t, codes...)
				base := &http.Transport{}
				defer base.CloseIdleConnections()
				rt := httpx.NewTransport(base, p)
				ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "v"))
				defer cancel()
				req := get(t, ctx, s.URL)
				resp, err := rt.RoundTrip(req)
				require.NoError(t, err)
				text(t, resp)
				require.Equal(t, req.URL, resp.Request.URL)
				require.Equal(t, req.Header, resp.Request.Header)
				_, told := httpx.ReportFrom(resp.Request.Context())
				if n := httpx.AttemptsFrom(resp); n == 1 && !told { // else a copy has them on its context
					require.Same(t, req, resp.Request)
				}
				require.NoError(t, resp.Request.Context().Err(), "it has ended with the body")
				require.Equal(t, "v", resp.Request.Context().Value(key{}))
				n := s.count()
				again, err := rt.RoundTrip(resp.Request)
				require.NoError(t, err)
				text(t, again)
				require.Empty(t, s.Seen[n].Header.Get("X-Retry-Attempt"), "a new call")
				cancel()
				require.Error(t, resp.Request.Context().Err(), "it is the caller's")
			})
		}
	}
}

// A base that sends another request, and states it in the response, knows better.
func TestResponse_KeepsRequestSetByBase(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	var sent *http.Request
	rt := httpx.NewTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
		sent = req.Clone(req.Context())
		return base.RoundTrip(sent)
	}), retry.Must(retry.New(retry.Config{})))
	resp, err := rt.RoundTrip(request(t, http.MethodGet, s.URL, nil))
	require.NoError(t, err)
	text(t, resp)
	require.Same(t, sent, resp.Request)
}

// TestResponse_KeepsRequestOfRoundTripperBelow has a RoundTripper below add a token to its own
// copy of the request, as oauth2 does: without a Transport the response names that copy.
func TestResponse_KeepsRequestOfRoundTripperBelow(t *testing.T) {
	s := serve(t, many(100, 200)...)
	for way, clone := range map[string]func(*http.Request) *http.Request{
		"deep": func(r *http.Request) *http.Request { return r.Clone(r.Context()) },
		"shallow": func(r *http.Request) *http.Request {
			copied := *r
			copied.Header = r.Header.Clone()
			return &copied
		},
	} {
		below := tripper(func(r *http.Request) (*http.Response, error) {
			own := clone(r)
			own.Header.Set("Authorization", "token")
			return http.DefaultTransport.RoundTrip(own)
		})
		for name, cfg := range map[string]retry.Config{
			"plain": {}, "timed": {AttemptTimeout: timeout.Fixed(time.Hour)}, "hedged": {Hedge: timeout.Fixed(time.Hour)},
		} {
			req := request(t, http.MethodPut, s.URL, strings.NewReader("x"))
			resp, err := httpx.NewTransport(below, retry.Must(retry.New(cfg))).RoundTrip(req)
			require.NoError(t, err)
			text(t, resp)
			require.Equal(t, "token", resp.Request.Header.Get("Authorization"), "%s, %s", way, name)
			require.NoError(t, resp.Request.Context().Err(), "%s, %s", way, name)
			require.Empty(t, req.Header)
		}
	}
}
