package otelx_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/rpcinfo"
	"github.com/evenkeel-go/evenkeel/otelx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// BenchmarkCall measures the cost of observing: calls that succeed at once, and calls whose first
// attempt fails, without an observer, with one that does nothing (which times attempts), and with
// the SDK behind this package's.
func BenchmarkCall(b *testing.B) {
	_, span := newTracer().Tracer("test").Start(context.Background(), "caller")
	defer span.End()
	for _, c := range []struct {
		name     string
		observer retry.Observer
		span     trace.Span // the caller's
	}{
		{name: "none"},
		{name: "silent", observer: silent{}},
		{name: "metrics", observer: observer(b, otelx.WithMeterProvider(newMeter()))},
		{
			name: "metrics+events", span: span,
			observer: observer(b, otelx.WithMeterProvider(newMeter()), otelx.WithTracerProvider(newTracer())),
		},
	} {
		cfg := retry.Config{Backoff: backoff.Constant(0), Budget: budget.Unlimited{}}
		var opts []retry.Option
		if c.observer != nil {
			opts = append(opts, retry.WithObserver(c.observer))
		}
		p := retry.Must(retry.New(cfg, opts...)).For("db")
		ctx := context.Background()
		if c.span != nil {
			ctx = trace.ContextWithSpan(ctx, c.span)
		}
		ctx = &rpcinfo.Context{Context: ctx, Info: rpcinfo.Info{Method: "pkg.Service/Method", Target: "dns:///host"}}
		b.Run("call=ok/observer="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			op := failing(0)
			for b.Loop() {
				_ = retry.Do(ctx, p, op)
			}
		})
		b.Run("call=one-fail/observer="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			op := func(context.Context) error {
				if n++; n%2 == 1 {
					return errDown
				}
				return nil
			}
			for b.Loop() {
				_ = retry.Do(ctx, p, op)
			}
		})
	}
}
