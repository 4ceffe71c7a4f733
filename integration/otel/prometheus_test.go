package otel_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestPrometheus_Scrapes(t *testing.T) {
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(exporter.WithRegisterer(registry), exporter.WithoutScopeInfo(), exporter.WithoutTargetInfo())
	require.NoError(t, err)
	tel := newTelemetry(sdkmetric.WithReader(reader))
	s := newServer(t, answer(503), answer(200))
	p := tel.policy(t, retry.Config{})
	rt := httpx.NewTransport(newBase(t), p, httpx.WithDestination(func(*http.Request) string { return "backend" }))
	fetch(t, t.Context(), rt, s.URL)

	page := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	text, err := io.ReadAll(page.Body)
	require.NoError(t, err)
	for _, line := range []string{
		"# TYPE evenkeel_calls_total counter",
		`evenkeel_calls_total{evenkeel_destination="backend",evenkeel_stop_reason="success"} 1`,
		`evenkeel_attempts_total{evenkeel_attempt_class="throttled",evenkeel_attempt_kind="first",evenkeel_destination="backend"} 1`,
		`evenkeel_attempts_total{evenkeel_attempt_class="success",evenkeel_attempt_kind="retry",evenkeel_destination="backend"} 1`,
		"# TYPE evenkeel_call_wait_seconds histogram",
		`evenkeel_call_wait_seconds_bucket{evenkeel_destination="backend",le="100"} 1`,
		`evenkeel_call_wait_seconds_count{evenkeel_destination="backend"} 1`,
		"# TYPE evenkeel_budget_level_ratio gauge",
		`evenkeel_budget_level_ratio{evenkeel_destination="backend"} `,
	} {
		require.Contains(t, string(text), line)
	}
}
