package httpx_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestDestination_HostInUseIsKept(t *testing.T) {
	p := policy(t, nil, retry.WithMaxDestinations(100))
	rt := httpx.NewTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
	}), p)
	get := func(host string) {
		req, err := http.NewRequest(http.MethodGet, "http://"+host+"/", nil)
		require.NoError(t, err)
		_, err = rt.RoundTrip(req)
		require.NoError(t, err)
	}
	get("busy.test")
	busy := p.For("busy.test")
	for i := range 5000 {
		get("busy.test")
		get(fmt.Sprintf("%d.test", i))
	}
	require.Same(t, busy, p.For("busy.test"), "its budget would be a new one")
}

func TestDestination_OnePolicyPerHost(t *testing.T) {
	var seen recorder
	tr := httpx.NewTransport(roundTripFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	}), policy(t, nil, retry.WithObserver(&seen)))
	for range 20 {
		for i := range 100 {
			host := strings.Repeat("h", i%10+1) + string(rune('a'+i/10))
			_, err := tr.RoundTrip(request(t, http.MethodGet, "http://"+host, nil))
			require.NoError(t, err)
			require.Equal(t, host, seen.calls[len(seen.calls)-1].Destination)
		}
	}
}

func TestDestination_BudgetsAreSeparate(t *testing.T) {
	bad, good := serve(t, many(100, 503)...), serve(t, 503, 503)
	c := client(t, policy(t, func(c *retry.Config) { c.Budget = budget.TokenBucket{} }))
	for range 20 {
		resp, err := c.Get(bad.URL)
		require.NoError(t, err)
		text(t, resp)
	}
	require.Less(t, bad.count(), 60, "the bad host's own budget is spent")
	resp, err := c.Get(good.URL)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	text(t, resp)
}

func TestDestination_PanicInOptionClosesBody(t *testing.T) {
	for name, opt := range map[string]httpx.Option{
		"policy":      httpx.WithPolicyFunc(func(*http.Request) *retry.Policy { panic("oops") }),
		"destination": httpx.WithDestination(func(*http.Request) string { panic("oops") }),
		"hint key":    httpx.WithHintKey(func(*http.Request) string { panic("oops") }),
	} {
		t.Run(name, func(t *testing.T) {
			body := &closing{Reader: strings.NewReader("x")}
			rt := httpx.NewTransport(nil, policy(t, func(c *retry.Config) { c.HintScope = "destination" }), opt)
			req := request(t, http.MethodPut, "http://h/", nil)
			req.Body, req.ContentLength = body, 1
			require.PanicsWithValue(t, "oops", func() { _, _ = rt.RoundTrip(req) })
			require.True(t, body.closed)
		})
	}
}

// closing is a body that remembers whether it was closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}
