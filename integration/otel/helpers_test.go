package otel_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/internal/leak"
	"github.com/evenkeel-go/evenkeel/otelx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestMain(m *testing.M) { leak.Main(m) }

// telemetry is a program's providers, and what they have recorded.
type telemetry struct {
	meters  *sdkmetric.MeterProvider
	reader  *sdkmetric.ManualReader
	tracers *sdktrace.TracerProvider
	spans   *tracetest.SpanRecorder
}

func newTelemetry(opts ...sdkmetric.Option) *telemetry {
	tel := &telemetry{reader: sdkmetric.NewManualReader(), spans: tracetest.NewSpanRecorder()}
	tel.meters = sdkmetric.NewMeterProvider(append(opts, sdkmetric.WithReader(tel.reader))...)
	tel.tracers = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(tel.spans))
	return tel
}

var propagator = propagation.TraceContext{}

// policy returns a policy that is observed and waits a millisecond before each retry.
func (tel *telemetry) policy(t *testing.T, cfg retry.Config) *retry.Policy {
	t.Helper()
	o, err := otelx.NewObserver(otelx.WithMeterProvider(tel.meters), otelx.WithTracerProvider(tel.tracers))
	require.NoError(t, err)
	cfg.Backoff, cfg.ThrottledBackoff = backoff.Constant(time.Millisecond), backoff.Constant(time.Millisecond)
	p, err := retry.New(cfg, retry.WithObserver(o))
	require.NoError(t, err)
	return p
}

// during runs f in the span "caller".
func (tel *telemetry) during(t *testing.T, f func(ctx context.Context)) {
	ctx, span := tel.tracers.Tracer("test").Start(t.Context(), "caller")
	f(ctx)
	span.End()
}

// ended returns the spans of a name that have ended, in the order in which they began.
func (tel *telemetry) ended(name string) (found []sdktrace.ReadOnlySpan) {
	for _, s := range tel.spans.Started() {
		ro := s.(sdktrace.ReadOnlySpan)
		if ro.Name() == name && !ro.EndTime().IsZero() {
			found = append(found, ro)
		}
	}
	return found
}

func (tel *telemetry) caller(t *testing.T) sdktrace.ReadOnlySpan {
	t.Helper()
	spans := tel.ended("caller")
	require.Len(t, spans, 1)
	return spans[0]
}

func (tel *telemetry) collect(t *testing.T) map[string]metricdata.Metrics {
	t.Helper()
	var rm metricdata.ResourceMetrics
	require.NoError(t, tel.reader.Collect(context.Background(), &rm))
	found := map[string]metricdata.Metrics{}
	for _, s := range rm.ScopeMetrics {
		for _, m := range s.Metrics {
			found[m.Name] = m
		}
	}
	return found
}

// events returns the names of a span's events.
func events(s sdktrace.ReadOnlySpan) (names []string) {
	for _, e := range s.Events() {
		names = append(names, e.Name)
	}
	return names
}

// get returns an attribute's value, nil if it is absent.
func get(kvs []attribute.KeyValue, key attribute.Key) any {
	for _, kv := range kvs {
		if kv.Key == key {
			return kv.Value.AsInterface()
		}
	}
	return nil
}

// childrenOf requires that all spans are of one kind and below one parent.
func childrenOf(t *testing.T, parent sdktrace.ReadOnlySpan, kind trace.SpanKind, spans []sdktrace.ReadOnlySpan) {
	t.Helper()
	for _, s := range spans {
		require.Equal(t, kind, s.SpanKind())
		require.Equal(t, parent.SpanContext().SpanID(), s.Parent().SpanID())
	}
}
