package otelx_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/evenkeel-go/evenkeel/internal/rpcinfo"
	"github.com/evenkeel-go/evenkeel/otelx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// latencies are the buckets of gRFC A66.
var latencies = []float64{
	0, 0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01, 0.013,
	0.016, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1, 2, 5, 10,
	20, 50, 100,
}

func rpc(ctx context.Context, method, target string) context.Context {
	return &rpcinfo.Context{Context: ctx, Info: rpcinfo.Info{Method: method, Target: target}}
}

func TestGRPCMetrics_FollowA96(t *testing.T) {
	m := newMeter()
	o := observer(t, otelx.WithMeterProvider(m))
	o.CallDone(rpc(t.Context(), "pkg.Service/Method", "dns:///host"), retry.Report{
		Reason: retry.ReasonSuccess, Attempts: 7, Hedges: 1, Unprocessed: 2, Waited: 110 * time.Millisecond,
	})
	found := m.collect(t)
	want := attribute.NewSet(
		attribute.String("grpc.method", "pkg.Service/Method"), attribute.String("grpc.target", "dns:///host"),
	)
	for _, c := range []struct {
		name, unit string
		bounds     []float64
		sum        int64
	}{
		{"grpc.client.call.retries", "{retry}", []float64{1, 2, 3, 4, 5}, 3},
		{"grpc.client.call.transparent_retries", "{transparent_retry}", []float64{1, 2, 3, 4, 5, 10}, 2},
		{"grpc.client.call.hedges", "{hedge}", []float64{1, 2, 3, 4, 5}, 1},
	} {
		got := found[c.name]
		require.Equal(t, c.unit, got.Unit, c.name)
		require.NotEmpty(t, got.Description, c.name)
		points := got.Data.(metricdata.Histogram[int64]).DataPoints
		require.Len(t, points, 1, c.name)
		require.Equal(t, c.bounds, points[0].Bounds, c.name)
		require.Equal(t, c.sum, points[0].Sum, c.name)
		require.EqualValues(t, 1, points[0].Count, c.name)
		require.Equal(t, want, points[0].Attributes, c.name)
	}
	delay := found["grpc.client.call.retry_delay"]
	require.Equal(t, "s", delay.Unit)
	require.NotEmpty(t, delay.Description)
	points := delay.Data.(metricdata.Histogram[float64]).DataPoints
	require.Len(t, points, 1)
	require.Equal(t, latencies, points[0].Bounds)
	require.InDelta(t, 0.11, points[0].Sum, 1e-12)
	require.Equal(t, want, points[0].Attributes)
}

func TestGRPCMetrics_NeverRecordZero(t *testing.T) {
	m := newMeter()
	o := observer(t, otelx.WithMeterProvider(m))
	ctx := rpc(t.Context(), "pkg.Service/Method", "dns:///host")
	o.CallDone(ctx, retry.Report{Reason: retry.ReasonSuccess, Attempts: 1})
	o.CallDone(ctx, retry.Report{Reason: retry.ReasonCanceled})
	for name := range m.collect(t) {
		require.NotContains(t, name, "grpc.")
	}
	o.CallDone(ctx, retry.Report{Reason: retry.ReasonSuccess, Attempts: 2, Unprocessed: 1})
	found := m.collect(t)
	require.Contains(t, found, "grpc.client.call.transparent_retries")
	require.NotContains(t, found, "grpc.client.call.retries")
	require.NotContains(t, found, "grpc.client.call.hedges")
	require.NotContains(t, found, "grpc.client.call.retry_delay")
}

func TestGRPCMetrics_OnlyForRPCs(t *testing.T) {
	m := newMeter()
	o := observer(t, otelx.WithMeterProvider(m))
	report := retry.Report{Reason: retry.ReasonSuccess, Attempts: 3, Hedges: 1, Waited: time.Second}
	o.CallDone(t.Context(), report)
	inside, cancel := context.WithCancel(rpc(t.Context(), "pkg.Service/Method", "dns:///host"))
	defer cancel()
	o.CallDone(inside, report) // a token fetched over HTTP for the RPC
	for name := range m.collect(t) {
		require.NotContains(t, name, "grpc.")
	}
}

func TestGRPCMetrics_MethodsAndTargetsBounded(t *testing.T) {
	m := newMeter()
	o := observer(t, otelx.WithMeterProvider(m))
	for i := range 1010 {
		o.CallDone(rpc(t.Context(), "pkg.Service/Method", fmt.Sprint("dns:///", i)), retry.Report{Attempts: 2})
	}
	points := m.collect(t)["grpc.client.call.retries"].Data.(metricdata.Histogram[int64]).DataPoints
	require.Len(t, points, 1001)
	rest := attribute.NewSet(attribute.String("grpc.method", "other"), attribute.String("grpc.target", "other"))
	for _, p := range points {
		if p.Attributes.Equals(&rest) {
			require.EqualValues(t, 10, p.Count)
			return
		}
	}
	require.Fail(t, "no series for the rest")
}

func TestGRPCMetrics_CanBeLeftToGRPC(t *testing.T) {
	m := newMeter()
	o := observer(t, otelx.WithMeterProvider(m), otelx.WithoutGRPCMetrics())
	o.CallDone(rpc(t.Context(), "pkg.Service/Method", "dns:///host"), retry.Report{
		Reason: retry.ReasonSuccess, Attempts: 7, Hedges: 1, Unprocessed: 2, Waited: time.Second,
	})
	for name := range m.collect(t) {
		require.NotContains(t, name, "grpc.")
	}
}
