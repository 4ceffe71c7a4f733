package httpx_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// base is a RoundTripper that a test makes up.
type base func(*http.Request) (*http.Response, error)

func (f base) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func reply(code int, body io.ReadCloser) *http.Response {
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: body}
}

func TestBase_ResponseAndErrorLeavesNoBodyOpen(t *testing.T) {
	for name, p := range map[string]*retry.Policy{
		"plain": policy(t, nil), "never": policy(t, func(c *retry.Config) { c.MaxAttempts = 1 }),
		"hedged": hedging(t, nil),
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			var sent, closed atomic.Int32
			broken := base(func(*http.Request) (*http.Response, error) {
				sent.Add(1)
				return reply(200, closer{strings.NewReader("?"), &closed}), io.ErrUnexpectedEOF
			})
			resp, err := httpx.NewTransport(broken, p).RoundTrip(request(t, method, "http://h/", nil))
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, name)
			require.Nil(t, resp, name)
			require.Equal(t, sent.Load(), closed.Load(), name)
		}
	}
}

// funcContext is a context that Go cannot compare.
type funcContext struct {
	context.Context
	_ func()
}

func TestBase_UncomparableContext(t *testing.T) {
	for name, p := range policies(t) {
		s := serve(t)
		body := io.NopCloser(strings.NewReader("abc"))
		req := request(t, http.MethodPut, s.URL, body).WithContext(funcContext{Context: t.Context()})
		resp, err := client(t, p).Do(req)
		require.NoError(t, err, name)
		require.Equal(t, "OK", text(t, resp))
	}
}

func TestBase_ReturningNothingIsError(t *testing.T) {
	nothing := roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, nil })
	for _, p := range policies(t) {
		resp, err := httpx.NewTransport(nothing, p).RoundTrip(request(t, http.MethodGet, "http://h/", nil))
		require.Nil(t, resp)
		require.ErrorContains(t, err, "neither a response nor an error")
	}
}

// A RoundTripper of http.Transport.RegisterProtocol may leave a request to the http.Transport.
func TestBase_SkippedProtocolAskedOnce(t *testing.T) {
	s := serve(t)
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		t.Run(method, func(t *testing.T) {
			asked := 0
			outer := &http.Transport{}
			t.Cleanup(outer.CloseIdleConnections)
			outer.RegisterProtocol("http", httpx.NewTransport(base(func(*http.Request) (*http.Response, error) {
				asked++
				return nil, http.ErrSkipAltProtocol
			}), policy(t, nil)))
			resp, err := outer.RoundTrip(request(t, method, s.URL, stream("x")))
			require.NoError(t, err)
			require.Equal(t, "OK", text(t, resp))
			require.Equal(t, 1, asked)
		})
	}
	require.Equal(t, []string{"x", "x"}, s.Bodies)
}
