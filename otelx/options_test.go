package otelx_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/evenkeel-go/evenkeel/otelx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestOptions_ErrorNamesEachMistake(t *testing.T) {
	_, err := otelx.NewObserver(
		otelx.WithMeterProvider(nil), nil, otelx.WithTracerProvider(nil), otelx.WithMaxDestinations(-1),
		otelx.WithAttemptSpans(),
	)
	for _, want := range []string{
		"otelx: ", "WithMeterProvider: must not be nil", "Option: must not be nil (number 2)",
		"WithTracerProvider: must not be nil", "WithMaxDestinations: must not be negative, not -1",
		"WithAttemptSpans: needs WithTracerProvider or WithGlobals",
	} {
		require.ErrorContains(t, err, want)
	}
}

// globals installs providers for one test, as a program's main does.
func globals(t *testing.T) (meter, tracer) {
	m, tr := newMeter(), newTracer()
	oldMeters, oldTracers := otel.GetMeterProvider(), otel.GetTracerProvider()
	otel.SetMeterProvider(m)
	otel.SetTracerProvider(tr)
	t.Cleanup(func() { otel.SetMeterProvider(oldMeters); otel.SetTracerProvider(oldTracers) })
	return m, tr
}

func TestOptions_GlobalProvidersOnlyOnRequest(t *testing.T) {
	m, tr := globals(t)
	call := func(o retry.Observer) {
		tr.during(func(ctx context.Context) {
			_ = retry.Do(ctx, policy(t, retry.Config{MaxAttempts: 1}, o), failing(1))
		})
	}
	call(observer(t))
	require.Empty(t, m.collect(t))
	require.Empty(t, tr.recorder.Ended()[0].Events())

	call(observer(t, otelx.WithGlobals()))
	require.Contains(t, m.collect(t), "evenkeel.calls")
	require.Len(t, tr.recorder.Ended()[1].Events(), 1)
}

func TestOptions_ExplicitProviderFirst(t *testing.T) {
	global, _ := globals(t)
	own := newMeter()
	o := observer(t, otelx.WithGlobals(), otelx.WithMeterProvider(own))
	require.NoError(t, retry.Do(t.Context(), policy(t, retry.Config{}, o), failing(0)))
	require.Contains(t, own.collect(t), "evenkeel.calls")
	require.NotContains(t, global.collect(t), "evenkeel.calls")
}

func TestOptions_NoProviderNoSignal(t *testing.T) {
	m, tr := newMeter(), newTracer()
	onlyMetrics := policy(t, retry.Config{MaxAttempts: 1}, observer(t, otelx.WithMeterProvider(m)))
	span := tr.during(func(ctx context.Context) { _ = retry.Do(ctx, onlyMetrics, failing(1)) })
	require.Empty(t, span.Events())
	before := m.collect(t)["evenkeel.calls"].Data.(metricdata.Sum[int64]).DataPoints[0].Value

	onlyTraces := policy(t, retry.Config{MaxAttempts: 1}, observer(t, otelx.WithTracerProvider(tr)))
	span = tr.during(func(ctx context.Context) { _ = retry.Do(ctx, onlyTraces, failing(1)) })
	require.Len(t, span.Events(), 1)
	require.Equal(t, before, m.collect(t)["evenkeel.calls"].Data.(metricdata.Sum[int64]).DataPoints[0].Value)
}

// refusing is a MeterProvider that makes no counters, and no histograms of whole numbers.
type refusing struct{ noop.MeterProvider }

func (refusing) Meter(string, ...metric.MeterOption) metric.Meter { return refusingMeter{} }

type refusingMeter struct{ noop.Meter }

func (refusingMeter) Int64Counter(name string, _ ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return nil, fmt.Errorf("%s: %w", name, errDown)
}

func (refusingMeter) Int64Histogram(name string, _ ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	return nil, fmt.Errorf("%s: %w", name, errDown)
}

func TestNew_NamesEachRefusedInstrument(t *testing.T) {
	o, err := otelx.NewObserver(otelx.WithMeterProvider(refusing{}))
	require.Nil(t, o)
	require.ErrorIs(t, err, errDown)
	require.ErrorContains(t, err, "otelx: evenkeel.calls: down")
	for _, want := range []string{
		"evenkeel.attempts", "evenkeel.calls.saved", "evenkeel.budget.refusals", "evenkeel.hedge.wins", "evenkeel.backend.changes",
		"grpc.client.call.retries", "grpc.client.call.transparent_retries", "grpc.client.call.hedges",
	} {
		require.ErrorContains(t, err, "\n"+want+": down")
	}
	require.NotContains(t, err.Error(), "evenkeel.call.wait", "which was made")

	_, err = otelx.NewObserver(otelx.WithMeterProvider(refusing{}), otelx.WithoutGRPCMetrics())
	require.NotContains(t, err.Error(), "grpc.client")
}
