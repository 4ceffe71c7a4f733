package otelx

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/metric"

	"github.com/evenkeel-go/evenkeel/retry"
)

// latencyBuckets are gRPC's for durations in seconds (gRFC A66).
var latencyBuckets = []float64{
	0, .00001, .00005, .0001, .0003, .0006, .0008, .001, .002, .003, .004, .005, .006, .008, .01, .013, .016, .02, .025,
	.03, .04, .05, .065, .08, .1, .13, .16, .2, .25, .3, .4, .5, .65, .8, 1, 2, 5, 10, 20, 50, 100,
}

// metrics are evenkeel's own instruments, and gRPC's.
type metrics struct {
	calls    metric.Int64Counter
	attempts metric.Int64Counter
	saved    metric.Int64Counter
	wins     metric.Int64Counter
	wait     metric.Float64Histogram
	queued   metric.Float64Histogram
	refusals metric.Int64Counter
	grpc     *grpcMetrics
	dests    *destinations
	backends metric.Int64Counter
}

func newMetrics(meter metric.Meter, c *config) (*metrics, error) {
	m := &metrics{dests: newDestinations(c.maxDestinations)}
	errs := make([]error, 10)
	m.calls, errs[0] = meter.Int64Counter(
		"evenkeel.calls", metric.WithUnit("{call}"),
		metric.WithDescription("Calls that have stopped, by the reason why."),
	)
	m.attempts, errs[1] = meter.Int64Counter(
		"evenkeel.attempts", metric.WithUnit("{attempt}"),
		metric.WithDescription("Attempts that have ended, by what they were sent for and what they came to."),
	)
	m.saved, errs[6] = meter.Int64Counter(
		"evenkeel.calls.saved", metric.WithUnit("{call}"),
		metric.WithDescription("Calls that a retry made succeed, by the number of the attempt that did."),
	)
	m.queued, errs[7] = meter.Float64Histogram(
		"evenkeel.budget.wait", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(latencyBuckets...),
		metric.WithDescription("Time that a call waited for its budget to decide. Calls that did not wait are not recorded."),
	)
	m.refusals, errs[8] = meter.Int64Counter(
		"evenkeel.budget.refusals", metric.WithUnit("{call}"),
		metric.WithDescription("Calls that stopped because their budget refused a retry, at once or after a wait."),
	)
	m.wins, errs[2] = meter.Int64Counter(
		"evenkeel.hedge.wins", metric.WithUnit("{call}"),
		metric.WithDescription("Calls that were answered by a hedge."),
	)
	m.wait, errs[3] = meter.Float64Histogram(
		"evenkeel.call.wait", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(latencyBuckets...),
		metric.WithDescription("Time that a call waited with no attempt under way. Calls that did not wait are not recorded."),
	)
	_, errs[4] = meter.Float64ObservableGauge(
		"evenkeel.budget.level", metric.WithUnit("1"), metric.WithFloat64Callback(m.dests.observe),
		metric.WithDescription("How far a destination's budget is from refusing retries, from 0 (it refuses them) to 1."),
	)
	if !c.withoutGRPC {
		m.grpc, errs[5] = newGRPCMetrics(meter)
	}
	m.backends, errs[9] = newBackends(meter)
	return m, errors.Join(errs...)
}

func (m *metrics) attempt(ctx context.Context, a retry.Attempt) {
	d := m.dests.get(a.Destination)
	m.attempts.Add(ctx, 1, d.attempts[index(a.Kind, kindNames)][label(&a)]...)
}

func (m *metrics) call(ctx context.Context, r retry.Report) {
	d := m.dests.get(r.Destination)
	d.watch(r)
	m.calls.Add(ctx, 1, d.calls[index(r.Reason, reasonNames)]...)
	if r.Reason == retry.ReasonSuccess && r.Answer > 1 && !r.Hedged {
		m.saved.Add(ctx, 1, d.saved[min(r.Answer-2, len(d.saved)-1)]...)
	}
	if r.Queued > 0 {
		m.queued.Record(ctx, r.Queued.Seconds(), d.waits...)
	}
	switch {
	case r.Reason != retry.ReasonBudget:
	case r.Queued > 0:
		m.refusals.Add(ctx, 1, d.refusedLate...)
	default:
		m.refusals.Add(ctx, 1, d.refused...)
	}
	if r.Hedged {
		m.wins.Add(ctx, 1, d.wins...)
	}
	if r.Waited > 0 {
		m.wait.Record(ctx, r.Waited.Seconds(), d.waits...)
	}
	if r.Attempts > 1 && m.grpc != nil {
		m.grpc.record(ctx, r)
	}
}
