package otelx

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/evenkeel-go/evenkeel/internal/dest"
	"github.com/evenkeel-go/evenkeel/internal/rpcinfo"
	"github.com/evenkeel-go/evenkeel/retry"
)

// maxRPCs bounds the pairs of method and target. Both are fixed by the program, so few programs
// come near.
const maxRPCs = 1000

// grpcMetrics holds the metrics of gRFC A96 for retries and hedges, recorded once per call. As in
// gRPC's own implementations, neither a count nor a delay of zero is recorded.
type grpcMetrics struct {
	retries     metric.Int64Histogram
	transparent metric.Int64Histogram
	hedges      metric.Int64Histogram
	delay       metric.Float64Histogram
	rpcs        *dest.Table[rpcinfo.Info, []metric.RecordOption]
	other       []metric.RecordOption // for pairs above maxRPCs
}

func newGRPCMetrics(in *instruments) *grpcMetrics {
	return &grpcMetrics{
		retries: in.counts("grpc.client.call.retries", "{retry}",
			"Number of retries during the client call. If there were no retries, 0 is not reported.", 1, 2, 3, 4, 5),
		transparent: in.counts("grpc.client.call.transparent_retries", "{transparent_retry}",
			"Number of transparent retries during the client call. If there were no transparent retries, 0 is not reported.",
			1, 2, 3, 4, 5, 10),
		hedges: in.counts("grpc.client.call.hedges", "{hedge}",
			"Number of hedges during the client call. If there were no hedges, 0 is not reported.", 1, 2, 3, 4, 5),
		delay: in.seconds("grpc.client.call.retry_delay",
			"Total time of delay while there is no active attempt during the client call."),
		rpcs:  dest.New[rpcinfo.Info, []metric.RecordOption](maxRPCs, nil),
		other: rpcAttributes(rpcinfo.Info{Method: rpcinfo.Other, Target: other}),
	}
}

// record records the metrics of a call if it is an RPC.
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
