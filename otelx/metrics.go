package otelx

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/metric"

	"github.com/evenkeel-go/evenkeel/retry"
)

// latencyBuckets has gRPC's bucket boundaries for durations, in seconds (gRFC A66).
var latencyBuckets = []float64{
	0, .00001, .00005, .0001, .0003, .0006, .0008, .001, .002, .003, .004, .005, .006, .008, .01, .013, .016, .02, .025,
	.03, .04, .05, .065, .08, .1, .13, .16, .2, .25, .3, .4, .5, .65, .8, 1, 2, 5, 10, 20, 50, 100,
}

// metrics holds evenkeel's own instruments, and gRPC's.
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
	in := instruments{meter: meter}
	m := &metrics{
		dests: newDestinations(c.maxDestinations),
		calls: in.counter("evenkeel.calls", "{call}", "Calls that have stopped, by the reason why."),
		attempts: in.counter("evenkeel.attempts", "{attempt}",
			"Attempts that have ended, by what they were sent for and what they came to."),
		saved: in.counter("evenkeel.calls.saved", "{call}",
			"Calls that a retry made succeed, by the number of the attempt that did."),
		queued: in.seconds("evenkeel.budget.wait",
			"Time that a call waited for its budget to decide. Calls that did not wait are not recorded."),
		refusals: in.counter("evenkeel.budget.refusals", "{call}",
			"Calls that stopped because their budget refused a retry, at once or after a wait."),
		wins: in.counter("evenkeel.hedge.wins", "{call}", "Calls that were answered by a hedge."),
		wait: in.seconds("evenkeel.call.wait",
			"Time that a call waited with no attempt under way. Calls that did not wait are not recorded."),
	}
	_, err := meter.Float64ObservableGauge(
		"evenkeel.budget.level", metric.WithUnit("1"), metric.WithFloat64Callback(m.dests.observe),
		metric.WithDescription("How far a destination's budget is from refusing retries, from 0 (it refuses them) to 1."),
	)
	in.errs = append(in.errs, err)
	if !c.withoutGRPC {
		m.grpc = newGRPCMetrics(&in)
	}
	m.backends = in.counter("evenkeel.backend.changes", "{change}",
		"Backends that were set aside or taken back, and why.")
	return m, errors.Join(in.errs...)
}

// instruments makes instruments, and keeps the errors of the provider.
type instruments struct {
	meter metric.Meter
	errs  []error
}

func (in *instruments) counter(name, unit, description string) metric.Int64Counter {
	c, err := in.meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
	in.errs = append(in.errs, err)
	return c
}

func (in *instruments) seconds(name, description string) metric.Float64Histogram {
	h, err := in.meter.Float64Histogram(
		name, metric.WithUnit("s"), metric.WithDescription(description),
		metric.WithExplicitBucketBoundaries(latencyBuckets...),
	)
	in.errs = append(in.errs, err)
	return h
}

func (in *instruments) counts(name, unit, description string, buckets ...float64) metric.Int64Histogram {
	h, err := in.meter.Int64Histogram(
		name, metric.WithUnit(unit), metric.WithDescription(description),
		metric.WithExplicitBucketBoundaries(buckets...),
	)
	in.errs = append(in.errs, err)
	return h
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
