package http

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// proxied is a server behind a toxiproxy 2.12.0 in this process.
type proxied struct {
	URL    string
	served atomic.Int32
	proxy  *toxiproxy.Proxy
	t      testing.TB
}

func behindProxy(t testing.TB, h http.HandlerFunc) *proxied {
	t.Helper()
	p := &proxied{t: t}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.served.Add(1)
		h(w, r)
	}))
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p.proxy = toxiproxy.NewProxy(api, "server", ownHost()+":0", strings.TrimPrefix(server.URL, "http://"))
	require.NoError(t, p.proxy.Start())
	p.URL = "http://" + p.proxy.Listen
	t.Cleanup(func() {
		p.proxy.Stop()
		server.CloseClientConnections()
		server.Close()
	})
	return p
}

// add puts a toxic on what the server sends; attributes is JSON.
func (p *proxied) add(kind, attributes string) {
	p.t.Helper()
	json := fmt.Sprintf(`{"name":"x","type":%q,"stream":"downstream","attributes":%s}`, kind, attributes)
	_, err := p.proxy.Toxics.AddToxicJson(strings.NewReader(json))
	require.NoError(p.t, err)
}

func (p *proxied) remove() { _ = p.proxy.Toxics.RemoveToxic(context.Background(), "x") }

// watch is an observer that remembers attempts, and tells of each.
type watch struct {
	mu       sync.Mutex
	attempts []retry.Attempt
	then     func(retry.Attempt)
}

func (w *watch) AttemptDone(_ context.Context, a retry.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts = append(w.attempts, a)
	if w.then != nil {
		w.then(a)
	}
}

func (w *watch) CallDone(context.Context, retry.Report) {}

func quick() retry.Config {
	d := backoff.Constant(10 * time.Millisecond)
	return retry.Config{Backoff: d, ThrottledBackoff: d, Budget: budget.Unlimited{}}
}

func newClient(t testing.TB, cfg retry.Config, w *watch, opts ...httpx.Option) *http.Client {
	t.Helper()
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	return &http.Client{Transport: httpx.NewTransport(base, retry.Must(retry.New(cfg, retry.WithObserver(w))), opts...)}
}

func echo(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }

func send(t testing.TB, c *http.Client, method, url, body string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	resp, err := c.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return resp, string(got), err
}

func TestToxic_LatencyCutByAttemptTimeout(t *testing.T) {
	p := behindProxy(t, echo)
	p.add("latency", `{"latency":60000}`)
	w := &watch{then: func(a retry.Attempt) { p.remove() }}
	cfg := quick()
	cfg.MaxAttempts, cfg.AttemptTimeout = retry.Unlimited, timeout.Fixed(300*time.Millisecond)
	_, body, err := send(t, newClient(t, cfg, w), http.MethodPut, p.URL, "pay 5")
	require.NoError(t, err)
	require.Equal(t, "pay 5", body)
	require.Equal(t, retry.Timeout, w.attempts[0].Outcome.Class)
	require.Equal(t, retry.Success, w.attempts[len(w.attempts)-1].Outcome.Class)
}

func TestToxic_LatencyHedged(t *testing.T) {
	p := behindProxy(t, echo)
	p.add("latency", `{"latency":60000}`)
	cfg := quick()
	cfg.Hedge = timeout.Fixed(200 * time.Millisecond)
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	var sent atomic.Int32
	c := http.Client{Transport: httpx.NewTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		if sent.Add(1) == 2 {
			p.remove()
		}
		return base.RoundTrip(r)
	}), retry.Must(retry.New(cfg)))}
	_, body, err := send(t, &c, http.MethodPut, p.URL, "pay 5")
	require.NoError(t, err)
	require.Equal(t, "pay 5", body)
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestToxic_ResetRetriedForPUTNotPOST(t *testing.T) {
	p := behindProxy(t, echo)
	p.add("reset_peer", `{"timeout":0}`)
	w := &watch{}
	_, _, err := send(t, newClient(t, quick(), w), http.MethodPost, p.URL, "pay 5")
	require.Error(t, err)
	require.Len(t, w.attempts, 1)
	require.Equal(t, retry.ReasonNotIdempotent, w.attempts[0].Outcome.Forbidden)

	w = &watch{then: func(a retry.Attempt) {
		if a.Number == 2 {
			p.remove()
		}
	}}
	_, body, err := send(t, newClient(t, quick(), w), http.MethodPut, p.URL, "pay 5")
	require.NoError(t, err)
	require.Equal(t, "pay 5", body)
	require.Len(t, w.attempts, 3)
	require.Equal(t, retry.Transient, w.attempts[0].Outcome.Class)
}

func TestToxic_TimeoutRetried(t *testing.T) {
	p := behindProxy(t, echo)
	p.add("timeout", `{"timeout":2000}`) // from the dial on: a busy machine has to send the request within that
	w := &watch{then: func(a retry.Attempt) { p.remove() }}
	_, body, err := send(t, newClient(t, quick(), w), http.MethodPut, p.URL, "pay 5")
	require.NoError(t, err)
	require.Equal(t, "pay 5", body)
	require.Equal(t, retry.Transient, w.attempts[0].Outcome.Class)
}

func TestToxic_LimitData(t *testing.T) {
	p := behindProxy(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 100_000)) })
	p.add("limit_data", `{"bytes":10}`)
	w := &watch{then: func(a retry.Attempt) { p.remove() }}
	_, body, err := send(t, newClient(t, quick(), w), http.MethodGet, p.URL, "")
	require.NoError(t, err)
	require.Len(t, body, 100_000)
	require.Equal(t, retry.Transient, w.attempts[0].Outcome.Class)

	p.add("limit_data", `{"bytes":50000}`)
	w = &watch{}
	resp, body, err := send(t, newClient(t, quick(), w), http.MethodGet, p.URL, "")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, 200, resp.StatusCode)
	require.Less(t, len(body), 100_000)
	require.Len(t, w.attempts, 1, "a body that has begun is the caller's")
}

func TestToxic_SlicerOutlivesAttemptTimeout(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 2048) // 32 KiB
	first := true
	p := behindProxy(t, func(w http.ResponseWriter, _ *http.Request) {
		if first {
			first = false
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(content)
	})
	p.add("slicer", `{"average_size":512,"size_variation":100,"delay":100000}`) // microseconds, six seconds in all
	cfg := quick()
	cfg.AttemptTimeout = timeout.Fixed(4 * time.Second)
	w := &watch{}
	start := time.Now()
	_, body, err := send(t, newClient(t, cfg, w), http.MethodGet, p.URL, "")
	require.NoError(t, err)
	require.Equal(t, string(content), body)
	require.Greater(t, time.Since(start), 4*time.Second, "the body took longer than an attempt may")
	require.Len(t, w.attempts, 2)
}

func TestProxy_DownIsRefusedConnection(t *testing.T) {
	p := behindProxy(t, echo)
	p.proxy.Stop()
	w := &watch{}
	_, _, err := send(t, newClient(t, quick(), w), http.MethodPost, p.URL, "pay 5")
	require.Error(t, err)
	require.Len(t, w.attempts, 3)
	require.Equal(t, retry.Unprocessed, w.attempts[0].Outcome.Class)
}
