package otel_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/otelx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// server answers with each handler in turn, and remembers the traceparent of each request.
type server struct {
	*httptest.Server
	mu      sync.Mutex
	parents []string
}

func newServer(t *testing.T, answers ...http.HandlerFunc) *server {
	s := new(server)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		n := len(s.parents)
		s.parents = append(s.parents, r.Header.Get("Traceparent"))
		s.mu.Unlock()
		answers[n](w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func answer(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// silence answers nothing until the client gives up.
func silence(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func fetch(t *testing.T, ctx context.Context, rt http.RoundTripper, url string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := rt.RoundTrip(req)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

// instrumented wraps base in otelhttp, with the resend count.
func (tel *telemetry) instrumented(base http.RoundTripper) http.RoundTripper {
	return otelhttp.NewTransport(
		base, otelhttp.WithTracerProvider(tel.tracers), otelhttp.WithMeterProvider(tel.meters),
		otelhttp.WithPropagators(propagator), otelhttp.WithClientTrace(otelx.ClientTrace),
	)
}

func newBase(t *testing.T) *http.Transport {
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	return base
}

func TestOtelhttp_InsideSpanPerAttempt(t *testing.T) {
	s := newServer(t, answer(503), answer(503), answer(200))
	tel := newTelemetry()
	rt := httpx.NewTransport(tel.instrumented(newBase(t)), tel.policy(t, retry.Config{}))
	tel.during(t, func(ctx context.Context) { fetch(t, ctx, rt, s.URL) })

	spans := tel.ended("HTTP GET")
	require.Len(t, spans, 3)
	childrenOf(t, tel.caller(t), trace.SpanKindClient, spans)
	for i, want := range []any{nil, int64(1), int64(2)} {
		require.Equal(t, want, get(spans[i].Attributes(), "http.request.resend_count"), "attempt %d", i+1)
		require.Empty(t, events(spans[i]))
		require.Contains(t, s.parents[i], spans[i].SpanContext().SpanID().String(), "the server is told of the attempt's span")
	}
	require.Equal(t, []string{"evenkeel.wait", "evenkeel.wait", "evenkeel.stop"}, events(tel.caller(t)))
}

func TestOtelhttp_OutsideSpanPerCall(t *testing.T) {
	s := newServer(t, answer(503), answer(503), answer(200))
	tel := newTelemetry()
	rt := tel.instrumented(httpx.NewTransport(newBase(t), tel.policy(t, retry.Config{})))
	tel.during(t, func(ctx context.Context) { fetch(t, ctx, rt, s.URL) })

	spans := tel.ended("HTTP GET")
	require.Len(t, spans, 1)
	childrenOf(t, tel.caller(t), trace.SpanKindClient, spans)
	require.Nil(t, get(spans[0].Attributes(), "http.request.resend_count"), "the span is the call's, not a resend's")
	require.Equal(t, []string{"evenkeel.wait", "evenkeel.wait", "evenkeel.stop"}, events(spans[0]))
	require.Empty(t, events(tel.caller(t)))
	stop := spans[0].Events()[2]
	require.Equal(t, "success", get(stop.Attributes, "evenkeel.stop.reason"))
	require.Equal(t, int64(3), get(stop.Attributes, "evenkeel.call.attempts"))
}

func TestHedge_ResendWithOwnSpan(t *testing.T) {
	either := func(w http.ResponseWriter, r *http.Request) { // whichever arrives first
		if r.Header.Get("X-Retry-Attempt") == "" {
			silence(w, r)
		}
	}
	s := newServer(t, either, either)
	tel := newTelemetry()
	p := tel.policy(t, retry.Config{Hedge: timeout.Fixed(10 * time.Millisecond), MaxAttempts: 2})
	rt := httpx.NewTransport(tel.instrumented(newBase(t)), p)
	tel.during(t, func(ctx context.Context) { fetch(t, ctx, rt, s.URL) })

	spans := tel.ended("HTTP GET")
	require.Len(t, spans, 2)
	childrenOf(t, tel.caller(t), trace.SpanKindClient, spans)
	require.Nil(t, get(spans[0].Attributes(), "http.request.resend_count"))
	require.Equal(t, int64(1), get(spans[1].Attributes(), "http.request.resend_count"))
	require.Equal(t, []string{"evenkeel.hedge", "evenkeel.stop"}, events(tel.caller(t)))
	require.Contains(t, tel.collect(t), "evenkeel.hedge.wins")
}

func TestHTTP_NoGRPCMetricsAndNoURLs(t *testing.T) {
	s := newServer(t, answer(503), answer(200))
	tel := newTelemetry()
	rt := httpx.NewTransport(newBase(t), tel.policy(t, retry.Config{}))
	fetch(t, t.Context(), rt, s.URL+"/secret/path?token=secret")

	found := tel.collect(t)
	calls := found["evenkeel.calls"].Data.(metricdata.Sum[int64]).DataPoints
	require.Len(t, calls, 1)
	destination, ok := calls[0].Attributes.Value("evenkeel.destination")
	require.True(t, ok)
	require.Equal(t, strings.TrimPrefix(s.URL, "http://"), destination.AsString())
	for name := range found {
		require.True(t, strings.HasPrefix(name, "evenkeel."), name)
	}
}
