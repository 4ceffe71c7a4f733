package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestAnOlderCallsReportDoesNotCountAgain(t *testing.T) {
	s := serve(t, 503, 503, 503, 503, 200)
	c := client(t, policy(t, func(c *retry.Config) { c.Budget = budget.Unlimited{} }))
	resp, err := c.Get(s.URL)
	require.NoError(t, err)
	require.Equal(t, 503, resp.StatusCode)
	text(t, resp)
	again, err := c.Do(resp.Request)
	require.NoError(t, err)
	require.Equal(t, 200, again.StatusCode)
	text(t, again)
}

func TestTextsOfOthersProveNothing(t *testing.T) {
	for name, err := range map[string]error{
		"URL":         &url.Error{Op: "Post", URL: "http://h/?q=; REFUSED_STREAM", Err: io.EOF},
		"URL 2":       &url.Error{Op: "Post", URL: "http://h/?q=http2: client conn not usable", Err: io.EOF},
		"URL 3":       &url.Error{Op: "Post", URL: "http://h/?q=net/http: TLS handshake timeout", Err: io.EOF},
		"status":      errors.New(`malformed HTTP status code "; REFUSED_STREAM"`),
		"status 2":    errors.New(`malformed HTTP response "http2: client conn not usable"`),
		"header":      errors.New("malformed MIME header line: net/http: TLS handshake timeout"),
		"goaway":      errors.New(`http2: server sent GOAWAY and closed the connection; debug="; REFUSED_STREAM"`),
		"not refused": errors.New("http2: Transport: cannot retry err [stream error: stream ID 1; PROTOCOL_ERROR] after"),
	} {
		require.Equal(t, retry.Transient, httpx.Classify(nil, nil, err).Class, name)
		wrapped := fmt.Errorf("my base: %w", err)
		require.Equal(t, retry.Transient, httpx.Classify(nil, nil, wrapped).Class, name)
	}
	goAway := errors.New("http2: Transport received Server's graceful shutdown GOAWAY")
	for _, err := range []error{
		&url.Error{Op: "Post", URL: "http://h/", Err: goAway}, fmt.Errorf("my base: %w", goAway),
		errors.New("http2: Transport: cannot retry err [stream error: stream ID 5; REFUSED_STREAM] after"),
		errors.New("net/http: TLS handshake timeout"),
	} {
		require.Equal(t, retry.Unprocessed, httpx.Classify(nil, nil, err).Class, err)
	}
}

func TestXShouldRetryInAnyCase(t *testing.T) {
	for _, v := range []string{"False", "FALSE", " false "} {
		var sent atomic.Int32
		odd := base(func(*http.Request) (*http.Response, error) {
			sent.Add(1)
			resp := reply(503, http.NoBody)
			resp.Header.Set("X-Should-Retry", v)
			return resp, nil
		})
		_, err := httpx.NewTransport(odd, policy(t, nil)).RoundTrip(request(t, http.MethodGet, "http://h/", nil))
		require.NoError(t, err)
		require.EqualValues(t, 1, sent.Load(), v)
	}
}

func TestACallersOwnRequestTimeoutIsNotMadeLonger(t *testing.T) {
	s := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for _, own := range []string{"2s", "2"} {
		req := request(t, http.MethodGet, s.URL, nil).WithContext(ctx)
		req.Header.Set("Request-Timeout", own)
		resp, err := client(t, policy(t, nil)).Do(req)
		require.NoError(t, err)
		text(t, resp)
		require.Equal(t, own, s.Seen[s.count()-1].Header.Get("Request-Timeout"))
	}
	req := request(t, http.MethodGet, s.URL, nil).WithContext(ctx)
	req.Header.Set("Request-Timeout", "5h") // a proxy's client's, that has become too long
	resp, err := client(t, policy(t, nil)).Do(req)
	require.NoError(t, err)
	text(t, resp)
	require.NotEqual(t, "5h", s.Seen[2].Header.Get("Request-Timeout"))
}
