package otelx

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/evenkeel-go/evenkeel/internal/dest"
	"github.com/evenkeel-go/evenkeel/internal/rpcinfo"
	"github.com/evenkeel-go/evenkeel/retry"
)

// maxRPCs bounds the pairs of method and target. Both are fixed by the program, so few come near.
const maxRPCs = 1000

// grpcMetrics are those of gRFC A96 for retries and hedges, recorded once a call. A count of zero
// is not recorded, nor is a delay: gRPC's own implementations see to that.
type grpcMetrics struct {
	retries     metric.Int64Histogram
	transparent metric.Int64Histogram
	hedges      metric.Int64Histogram
	delay       metric.Float64Histogram
	rpcs        *dest.Table[rpcinfo.Info, []metric.RecordOption]
	other       []metric.RecordOption // those that are too many
}

func newGRPCMetrics(meter metric.Meter) (*grpcMetrics, error) {
	m := &grpcMetrics{
		rpcs:  dest.New[rpcinfo.Info, []metric.RecordOption](maxRPCs, nil),
		other: rpcAttributes(rpcinfo.Info{Method: rpcinfo.Other, Target: other}),
	}
	var errs [4]error
	m.retries, errs[0] = meter.Int64Histogram(
		"grpc.client.call.retries", metric.WithUnit("{retry}"), metric.WithExplicitBucketBoundaries(1, 2, 3, 4, 5),
		metric.WithDescription("Number of retries during the client call. If there were no retries, 0 is not reported."),
	)
	m.transparent, errs[1] = meter.Int64Histogram(
		"grpc.client.call.transparent_retries", metric.WithUnit("{transparent_retry}"),
		metric.WithExplicitBucketBoundaries(1, 2, 3, 4, 5, 10),
		metric.WithDescription(
			"Number of transparent retries during the client call. If there were no transparent retries, 0 is not reported.",
		),
	)
	m.hedges, errs[2] = meter.Int64Histogram(
		"grpc.client.call.hedges", metric.WithUnit("{hedge}"), metric.WithExplicitBucketBoundaries(1, 2, 3, 4, 5),
		metric.WithDescription("Number of hedges during the client call. If there were no hedges, 0 is not reported."),
	)
	m.delay, errs[3] = meter.Float64Histogram(
		"grpc.client.call.retry_delay", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(latencyBuckets...),
		metric.WithDescription("Total time of delay while there is no active attempt during the client call."),
	)
	return m, errors.Join(errs[:]...)
}

// record does nothing for a call that is no RPC.
func (m *grpcMetrics) record(ctx context.Context, r retry.Report) {
	info, ok := rpcinfo.From(ctx)
	if !ok {
		return
	}
	opts := m.other
	if rpc, ok := m.rpcs.GetOrFill(info, rpcAttributes); ok {
		opts = rpc.Value
	}
	count := func(h metric.Int64Histogram, n int) {
		if n > 0 {
			h.Record(ctx, int64(n), opts...)
		}
	}
	count(m.retries, r.Retries())
	count(m.transparent, r.Unprocessed)
	count(m.hedges, r.Hedges)
	if r.Waited > 0 {
		m.delay.Record(ctx, r.Waited.Seconds(), opts...)
	}
}

func rpcAttributes(i rpcinfo.Info) []metric.RecordOption {
	return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(
		grpcMethodKey.String(i.Method), grpcTargetKey.String(i.Target),
	))}
}
