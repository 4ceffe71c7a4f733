package otelx

import (
	"context"
	"net/http/httptrace"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/evenkeel-go/evenkeel/internal/layer"
)

// ClientTrace puts http.request.resend_count on the span of an attempt. It is for otelhttp, which
// calls it within each attempt once its span is there:
//
//	httpx.NewTransport(otelhttp.NewTransport(nil, otelhttp.WithClientTrace(otelx.ClientTrace)), policy)
//
// The *httptrace.ClientTrace that it returns has no hooks. To have others as well, call it in a
// function of your own and return theirs. With otelhttp outside of httpx the span is that of the
// call, and gets no count.
func ClientTrace(ctx context.Context) *httptrace.ClientTrace {
	if count, ok := ResendCount(ctx); ok {
		trace.SpanFromContext(ctx).SetAttributes(count)
	}
	return new(httptrace.ClientTrace) // never shared: httptrace.WithClientTrace writes to it
}

// ResendCount returns the attribute http.request.resend_count (int; 1 on the first resend) of the
// attempt that is made on ctx, for instrumentation other than otelhttp. First attempts have none,
// and neither have attempts of operations: a request made by an operation of retry.Do is sent for
// the first time, whichever attempt of the operation makes it.
func ResendCount(ctx context.Context) (count attribute.KeyValue, ok bool) {
	n, _ := ctx.Value(layer.Resend{}).(int)
	return resendCountKey.Int(n - 1), n > 1
}
