package otelx_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/evenkeel-go/evenkeel/otelx"
	"github.com/evenkeel-go/evenkeel/outlier"
)

func TestBackends_CountsAndTracesChanges(t *testing.T) {
	m, spans := newMeter(), tracetest.NewSpanRecorder()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	o, ok := observer(t,
		otelx.WithMeterProvider(m), otelx.WithTracerProvider(tracers), otelx.WithMaxDestinations(1),
	).(outlier.Observer)
	require.True(t, ok)
	ctx, span := tracers.Tracer("t").Start(t.Context(), "call")
	for _, e := range []outlier.Event{
		{Destination: "orders", Backend: "a", Change: outlier.SetAside, Cause: outlier.Failures, For: time.Second},
		{Destination: "orders", Backend: "b", Change: outlier.SetAside, Cause: outlier.Failures, For: time.Second},
		{Destination: "orders", Backend: "a", Change: outlier.TakenBack, Cause: outlier.Failures},
		{Destination: "more", Backend: "a", Change: outlier.SetAside, Cause: outlier.Rate},
		{Backend: "a", Change: outlier.SetAside, Cause: outlier.Latency},
	} {
		o.BackendChanged(ctx, e)
	}
	span.End()
	change := func(change, cause string, more ...string) attribute.Distinct {
		return set(append(more, "evenkeel.backend.change", change, "evenkeel.backend.cause", cause)...)
	}
	assert.Equal(t, map[attribute.Distinct]int64{
		change("set_aside", "failures", "evenkeel.destination", "orders"):    2,
		change("taken_back", "failures", "evenkeel.destination", "orders"):   1,
		change("set_aside", "failure_rate", "evenkeel.destination", "other"): 1,
		change("set_aside", "latency"):                                       1,
	}, m.counts(t, "evenkeel.backend.changes"))
	events := spans.Ended()[0].Events()
	require.Len(t, events, 5)
	assert.Equal(t, "evenkeel.backend", events[0].Name)
	assert.Contains(t, events[0].Attributes, attribute.Float64("evenkeel.backend.for", 1))
}
