package httpx_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// counts is a ClientTrace without a lock: the race detector sees hooks that are called side by
// side.
type counts struct {
	hooks int
	seen  map[string]int
}

func (c *counts) hook(name string) {
	c.hooks++
	c.seen[name]++
}

func (c *counts) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:              func(string) { c.hook("GetConn") },
		GotConn:              func(httptrace.GotConnInfo) { c.hook("GotConn") },
		ConnectStart:         func(string, string) { c.hook("ConnectStart") },
		ConnectDone:          func(string, string, error) { c.hook("ConnectDone") },
		TLSHandshakeStart:    func() { c.hook("TLSHandshakeStart") },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { c.hook("TLSHandshakeDone") },
		WroteHeaderField:     func(string, []string) { c.hook("WroteHeaderField") },
		WroteHeaders:         func() { c.hook("WroteHeaders") },
		WroteRequest:         func(httptrace.WroteRequestInfo) { c.hook("WroteRequest") },
		GotFirstResponseByte: func() { c.hook("GotFirstResponseByte") },
		Got1xxResponse: func(int, textproto.MIMEHeader) error {
			c.hook("Got1xxResponse")
			return nil
		},
	}
}

func TestClientTrace_HedgesCallOneAtATime(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			time.Sleep(2 * time.Millisecond)
		}))
		s.EnableHTTP2 = h2
		s.StartTLS()
		p := hedging(t, func(c *retry.Config) { c.Hedge, c.MaxAttempts = timeout.Fixed(time.Microsecond), 5 })
		rt := httpx.NewTransport(s.Client().Transport, p)
		for range 20 {
			c := counts{seen: map[string]int{}}
			ctx := httptrace.WithClientTrace(t.Context(), c.trace())
			resp, err := rt.RoundTrip(request(t, http.MethodGet, s.URL, nil).WithContext(ctx))
			require.NoError(t, err)
			text(t, resp)
		}
		s.Close()
	}
}

func TestClientTrace_SeesWholeHedgedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent, under atomic.Int32
		seen := map[string]int{}
		c := counts{seen: seen}
		trace := c.trace()
		trace.GotConn = func(httptrace.GotConnInfo) {
			c.hook("GotConn")
			require.EqualValues(t, 1, under.Add(1))
			time.Sleep(time.Millisecond)
			under.Add(-1)
		}
		base := pipeServer(t, plan(&sent, []int{200, 200}, time.Hour, 0))
		dial := base.DialContext
		base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			require.NotNil(t, httptrace.ContextClientTrace(ctx))
			return dial(ctx, network, addr)
		}
		ctx := httptrace.WithClientTrace(t.Context(), trace)
		resp, err := httpx.NewTransport(base, hedging(t, nil)).RoundTrip(get(t, ctx, "http://pipe/"))
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		text(t, resp)
		synctest.Wait()
		require.Equal(t, 2, seen["GetConn"])
		require.Equal(t, 2, seen["GotConn"])
		require.Equal(t, 1, seen["GotFirstResponseByte"])
		require.Same(t, trace, httptrace.ContextClientTrace(resp.Request.Context()), "the response's request has the caller's trace")
	})
}
