package httpx_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// base is a RoundTripper that a test makes up.
type base func(*http.Request) (*http.Response, error)

func (f base) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func reply(code int, body io.ReadCloser) *http.Response {
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: body}
}

func TestABaseThatReturnsAResponseAndAnErrorLeavesNoBodyOpen(t *testing.T) {
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

func TestAContextThatCannotBeCompared(t *testing.T) {
	for name, p := range policies(t) {
		s := serve(t)
		body := io.NopCloser(strings.NewReader("abc"))
		req := request(t, http.MethodPut, s.URL, body).WithContext(funcContext{Context: t.Context()})
		resp, err := client(t, p).Do(req)
		require.NoError(t, err, name)
		require.Equal(t, "OK", text(t, resp))
	}
}

func TestHedgesOverABaseThatChangesHeaders(t *testing.T) {
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
