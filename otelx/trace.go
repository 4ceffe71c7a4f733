package otelx

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
)

type tracer = trace.Tracer

// attemptEvents records on the caller's span that a resend had to wait, or was a hedge. The event
// has the time at which that happened, which is before the end of the attempt, when it is
// reported.
func attemptEvents(ctx context.Context, a retry.Attempt) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	if a.Waited > 0 {
		span.AddEvent(
			"evenkeel.wait", at(a.Sent.Add(-a.Waited)),
			trace.WithAttributes(attemptNumberKey.Int(a.Number), waitDurationKey.Float64(a.Waited.Seconds())),
		)
	}
	if a.Kind == budget.Hedge {
		span.AddEvent(
			"evenkeel.hedge", at(a.Sent),
			trace.WithAttributes(attemptNumberKey.Int(a.Number), attemptClassKey.String(labelNames[label(&a)])),
		)
	}
}

// stopEvent records on the caller's span why the call stopped.
func stopEvent(ctx context.Context, r retry.Report) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.AddEvent("evenkeel.stop", trace.WithAttributes(
		stopReasonKey.String(r.Reason.String()),
		callAttemptsKey.Int(r.Attempts),
		callHedgesKey.Int(r.Hedges),
	))
}

// attemptSpan makes a span of an attempt that has ended.
func attemptSpan(ctx context.Context, t tracer, a retry.Attempt) {
	class := a.Outcome.Class
	attrs := []attribute.KeyValue{
		attemptNumberKey.Int(a.Number),
		attemptKindKey.String(a.Kind.String()),
		attemptClassKey.String(labelNames[label(&a)]),
	}
	if a.Destination != "" {
		attrs = append(attrs, destinationKey.String(a.Destination))
	}
	if a.Status != "" {
		attrs = append(attrs, attemptStatusKey.String(a.Status))
	}
	_, span := t.Start(
		ctx, "evenkeel.attempt", at(a.Sent), trace.WithSpanKind(trace.SpanKindInternal), trace.WithAttributes(attrs...),
	)
	if class != retry.Success && class != retry.Canceled {
		span.SetStatus(codes.Error, class.String())
	}
	span.End(at(a.Sent.Add(a.Took)))
}

// at returns an option that sets the time of an event, or of the start or end of a span.
func at(t time.Time) trace.SpanEventOption { return trace.WithTimestamp(t) }
