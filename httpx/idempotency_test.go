package httpx_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// methods are those of IANA's HTTP Method Registry, of 2026-06-17.
var methods = map[string][]string{
	"safe": {"", "GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "QUERY", "REPORT", "SEARCH"},
	"idempotent": {
		"ACL", "BASELINE-CONTROL", "BIND", "CHECKIN", "CHECKOUT", "COPY", "LABEL", "LINK", "MERGE", "MKACTIVITY",
		"MKCALENDAR", "MKCOL", "MKREDIRECTREF", "MKWORKSPACE", "MOVE", "ORDERPATCH", "PROPPATCH", "REBIND", "UNBIND",
		"UNCHECKOUT", "UNLINK", "UNLOCK", "UPDATE", "UPDATEREDIRECTREF", "VERSION-CONTROL",
	},
	"hedged all the same": {"PUT", "DELETE"},
	"neither":             {"POST", "PATCH", "LOCK", "CONNECT", "PRI", "get", "query", "Propfind", "INCREMENT"},
}

func TestMethods_RetriedAndHedgedAsRegistered(t *testing.T) {
	for kind, want := range map[string]struct{ retried, hedged bool }{
		"safe": {true, true}, "idempotent": {true, false}, "hedged all the same": {true, true}, "neither": {false, false},
	} {
		for _, method := range methods[kind] {
			t.Run(kind+" "+method, func(t *testing.T) {
				req := request(t, "GET", "http://host/", strings.NewReader("select"))
				req.Method = method
				require.Equal(t, want.retried, httpx.Idempotent(req))

				n := 0
				tr := httpx.NewTransport(base(func(*http.Request) (*http.Response, error) {
					n++
					return reply(500, http.NoBody), nil
				}), policy(t, nil))
				_, err := tr.RoundTrip(req)
				require.NoError(t, err)
				require.Equal(t, want.retried, n > 1)

				synctest.Test(t, func(t *testing.T) {
					var sent atomic.Int32
					tr := httpx.NewTransport(base(func(*http.Request) (*http.Response, error) {
						sent.Add(1)
						time.Sleep(time.Minute)
						return reply(200, http.NoBody), nil
					}), hedging(t, nil))
					_, err := tr.RoundTrip(req)
					require.NoError(t, err)
					require.Equal(t, want.hedged, sent.Load() > 1)
				})
			})
		}
	}
}

func TestMethods_CallersDeclarationFirst(t *testing.T) {
	declared := func(i retry.Idempotency) context.Context { return retry.WithIdempotency(context.Background(), i) }
	for name, test := range map[string]struct {
		method string
		ctx    context.Context
		key    bool
		want   int
	}{
		"a MOVE that may be hedged":    {"MOVE", declared(retry.Idempotent), false, 2},
		"a MOVE with a key":            {"MOVE", context.Background(), true, 2},
		"a LOCK that may be hedged":    {"LOCK", declared(retry.Idempotent), false, 2},
		"a QUERY that may not":         {"QUERY", declared(retry.NotIdempotent), false, 1},
		"a QUERY with a key":           {"QUERY", declared(retry.NotIdempotent), true, 1},
		"PRI, whatever is said of it":  {"PRI", declared(retry.Idempotent), true, 1},
		"CONNECT is no race":           {"CONNECT", declared(retry.Idempotent), true, 1},
		"a declared DELETE, as before": {"DELETE", declared(retry.Idempotent), false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent atomic.Int32
				tr := httpx.NewTransport(base(func(*http.Request) (*http.Response, error) {
					sent.Add(1)
					time.Sleep(time.Minute)
					return reply(200, http.NoBody), nil
				}), hedging(t, func(c *retry.Config) { c.MaxAttempts = 2 }))
				req := request(t, test.method, "http://host/", nil).WithContext(test.ctx)
				if test.key {
					req.Header.Set("Idempotency-Key", "k")
				}
				_, err := tr.RoundTrip(req)
				require.NoError(t, err)
				require.EqualValues(t, test.want, sent.Load())
			})
		})
	}
}

func TestIdempotency_POSTSentOnceUnlessDeclared(t *testing.T) {
	for name, test := range map[string]struct {
		set      func(*http.Request)
		attempts int
	}{
		"alone":                        {func(*http.Request) {}, 1},
		"Idempotency-Key":              {func(r *http.Request) { r.Header.Set("Idempotency-Key", "k") }, 3},
		"X-Idempotency-Key":            {func(r *http.Request) { r.Header.Set("X-Idempotency-Key", "k") }, 3},
		"a nil key, which is not sent": {func(r *http.Request) { r.Header["Idempotency-Key"] = nil }, 3},
		"declared": {func(r *http.Request) {
			*r = *r.WithContext(retry.WithIdempotency(r.Context(), retry.Idempotent))
		}, 3},
		"declared not, with a key": {func(r *http.Request) {
			r.Header.Set("Idempotency-Key", "k")
			*r = *r.WithContext(retry.WithIdempotency(r.Context(), retry.NotIdempotent))
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, 500, 500)
			req := request(t, http.MethodPost, s.URL, strings.NewReader("pay 5"))
			test.set(req)
			resp, err := client(t, policy(t, nil)).Do(req)
			require.NoError(t, err)
			text(t, resp)
			require.Equal(t, test.attempts, s.count())
			if test.attempts == 1 {
				stopped, _ := httpx.ReportFrom(resp.Request.Context())
				require.Equal(t, retry.ReasonNotIdempotent, stopped.Reason)
			}
		})
	}
}

func TestIdempotency_KeyStableWithinCall(t *testing.T) {
	s := serve(t, 500, 503)
	c := client(t, policy(t, nil), httpx.WithIdempotencyKey())
	keys := func() []string {
		var ks []string
		for _, r := range s.Seen {
			ks = append(ks, r.Header.Get("Idempotency-Key"))
		}
		return ks
	}
	post := func(method string) {
		req := request(t, method, s.URL, strings.NewReader("pay 5"))
		resp, err := c.Do(req)
		require.NoError(t, err)
		require.Equal(t, "OK", text(t, resp))
		require.Empty(t, req.Header)
	}
	post(http.MethodPost)
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, keys()[0])
	require.Equal(t, keys()[0], keys()[1])
	require.Equal(t, keys()[0], keys()[2])
	post(http.MethodPatch)
	require.NotEqual(t, keys()[0], keys()[3])
	post(http.MethodPut)
	require.Empty(t, keys()[4])
}

func TestIdempotency_CallersKeyKept(t *testing.T) {
	s := serve(t)
	req := request(t, http.MethodPost, s.URL, nil)
	req.Header.Set("X-Idempotency-Key", "mine")
	resp, err := client(t, policy(t, nil), httpx.WithIdempotencyKey()).Do(req)
	require.NoError(t, err)
	text(t, resp)
	require.NotContains(t, s.Seen[0].Header, "Idempotency-Key")
	require.Equal(t, "mine", s.Seen[0].Header.Get("X-Idempotency-Key"))
}
