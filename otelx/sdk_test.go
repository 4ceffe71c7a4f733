package otelx_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/evenkeel-go/evenkeel/otelx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestSDK_ExemplarsReferToCallersSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, tr := newMeter(), newTracer()
		p := policy(t, retry.Config{}, observer(t, otelx.WithMeterProvider(m)))
		var caller trace.SpanContext
		tr.during(func(ctx context.Context) {
			caller = trace.SpanContextFromContext(ctx)
			require.NoError(t, retry.Do(ctx, p, failing(1)))
		})
		found := m.collect(t)
		wait := found["evenkeel.call.wait"].Data.(metricdata.Histogram[float64]).DataPoints[0].Exemplars
		require.Len(t, wait, 1)
		id, span := caller.TraceID(), caller.SpanID()
		require.Equal(t, id[:], wait[0].TraceID)
		require.Equal(t, span[:], wait[0].SpanID)
		calls := found["evenkeel.calls"].Data.(metricdata.Sum[int64]).DataPoints[0].Exemplars
		require.Len(t, calls, 1)
		require.Equal(t, id[:], calls[0].TraceID)
	})
}

func TestSDK_ViewsRenameAndRebucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter(
			sdkmetric.WithView(sdkmetric.NewView(
				sdkmetric.Instrument{Name: "evenkeel.call.wait"},
				sdkmetric.Stream{
					Name:        "client.backoff",
					Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: []float64{1, 10}},
				},
			)),
			sdkmetric.WithView(sdkmetric.NewView(
				sdkmetric.Instrument{Name: "grpc.client.call.retries"},
				sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}},
			)),
		)
		p := policy(t, retry.Config{}, observer(t, otelx.WithMeterProvider(m)))
		require.NoError(t, retry.Do(rpc(t.Context(), "pkg.Service/Method", "dns:///host"), p, failing(2)))
		found := m.collect(t)
		require.NotContains(t, found, "evenkeel.call.wait")
		require.Equal(t, []float64{1, 10}, found["client.backoff"].Data.(metricdata.Histogram[float64]).DataPoints[0].Bounds)
		require.IsType(t, metricdata.ExponentialHistogram[int64]{}, found["grpc.client.call.retries"].Data)
	})
}

func TestObserver_SuccessDoesNotAllocate(t *testing.T) {
	p := policy(t, retry.Config{}, observer(t, otelx.WithMeterProvider(newMeter()), otelx.WithTracerProvider(newTracer())))
	db, ctx, ok := p.For("db"), t.Context(), failing(0)
	plain := policy(t, retry.Config{}, silent{}).For("db")
	without := testing.AllocsPerRun(2000, func() { _ = retry.Do(ctx, plain, ok) })
	with := testing.AllocsPerRun(2000, func() { _ = retry.Do(ctx, db, ok) })
	require.Equal(t, without, with, "beyond those of a policy with an observer that does nothing")
}

// silent is an observer that does nothing.
type silent struct{}

func (silent) AttemptDone(context.Context, retry.Attempt) {}
func (silent) CallDone(context.Context, retry.Report)     {}
