package httpx_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
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
