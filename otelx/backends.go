package otelx

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/evenkeel-go/evenkeel/outlier"
)

const (
	backendChangeKey = attribute.Key("evenkeel.backend.change")
	backendCauseKey  = attribute.Key("evenkeel.backend.cause")
	backendKey       = attribute.Key("evenkeel.backend")
	backendForKey    = attribute.Key("evenkeel.backend.for")
)

// BackendChanged implements outlier.Observer.
func (o *observer) BackendChanged(ctx context.Context, e outlier.Event) {
	if o.metrics != nil {
		o.metrics.backend(ctx, e)
	}
	if span := trace.SpanFromContext(ctx); o.events && span.IsRecording() {
		span.AddEvent("evenkeel.backend", trace.WithAttributes(
			backendKey.String(strings.ToValidUTF8(e.Backend, "\uFFFD")),
			backendChangeKey.String(e.Change.String()),
			backendCauseKey.String(e.Cause.String()),
			backendForKey.Float64(e.For.Seconds()),
		))
	}
}

// backend counts a change. Changes are few, so the attributes are made each time.
func (m *metrics) backend(ctx context.Context, e outlier.Event) {
	attrs := []attribute.KeyValue{
		backendChangeKey.String(e.Change.String()), backendCauseKey.String(e.Cause.String()),
	}
	switch m.dests.get(e.Destination) {
	case m.dests.own: // no name, or WithMaxDestinations(0)
	case m.dests.other:
		attrs = append(attrs, destinationKey.String(other))
	default:
		attrs = append(attrs, destinationKey.String(strings.ToValidUTF8(e.Destination, "\uFFFD")))
	}
	m.backends.Add(ctx, 1, metric.WithAttributes(attrs...))
}
