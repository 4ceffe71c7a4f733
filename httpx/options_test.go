package httpx_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestOptions_PolicyFuncReloadKeepsBudget(t *testing.T) {
	s := serve(t, many(100, 503)...)
	patient, never := policy(t, nil), policy(t, func(c *retry.Config) { c.MaxAttempts = 1 })
	var current atomic.Pointer[retry.Policy]
	current.Store(patient)
	c := client(t, never, httpx.WithPolicyFunc(func(r *http.Request) *retry.Policy {
		if r.URL.Path == "/once" {
			return nil
		}
		return current.Load()
	}))
	send := func(path string) int {
		before := s.count()
		resp, err := c.Get(s.URL + path)
		require.NoError(t, err)
		text(t, resp)
		return s.count() - before
	}
	require.Equal(t, 1, send("/once"))
	require.Equal(t, 3, send("/"))
	for send("/") > 1 { // until the budget is spent
	}
	reloaded, err := patient.Reload(quick())
	require.NoError(t, err)
	current.Store(reloaded)
	require.Equal(t, 1, send("/"), "a reload must not refill the budget")
}

func TestOptions_DestinationNamesBudget(t *testing.T) {
	s := serve(t, many(100, 503)...)
	var seen recorder
	c := client(t, policy(t, nil, retry.WithObserver(&seen)), httpx.WithDestination(func(r *http.Request) string {
		return r.Header.Get("X-Shard")
	}))
	for _, shard := range []string{"a", "b", ""} {
		req := request(t, http.MethodGet, s.URL, nil)
		req.Header.Set("X-Shard", shard)
		resp, err := c.Do(req)
		require.NoError(t, err)
		text(t, resp)
		require.Equal(t, shard, seen.calls[len(seen.calls)-1].Destination)
	}
}

func TestOptions_PanicOnInvalidArguments(t *testing.T) {
	for name, option := range map[string]func(){
		"WithPolicyFunc":               func() { httpx.WithPolicyFunc(nil) },
		"WithDestination":              func() { httpx.WithDestination(nil) },
		"WithClassifier":               func() { httpx.WithClassifier(nil) },
		"WithBeforeAttempt":            func() { httpx.WithBeforeAttempt(nil) },
		"WithReauth":                   func() { httpx.WithReauth(nil) },
		"WithBodyIdleTimeout":          func() { httpx.WithBodyIdleTimeout(0) },
		"WithBodyIdleTimeout: streams": func() { httpx.WithBodyIdleTimeout(1, "text/plain") },
		"WithHintKey":                  func() { httpx.WithHintKey(nil) },
		"WithIdempotentPaths":          func() { httpx.WithIdempotentPaths() },
		"WithBodyBuffer":               func() { httpx.WithBodyBuffer(-1) },
		"WithMaxTimeout":               func() { httpx.WithMaxTimeout(0) },
		"OnAttempt":                    func() { httpx.OnAttempt(nil) },
		"Handler":                      func() { httpx.Handler(nil) },
	} {
		func() {
			defer func() { require.Contains(t, recover(), name) }()
			option()
		}()
	}
}
