package otelx

import (
	"context"
	"fmt"

	"github.com/evenkeel-go/evenkeel/retry"
)

// scope names this package to meters and tracers.
const scope = "github.com/evenkeel-go/evenkeel/otelx"

// NewObserver makes an observer for retry.WithObserver; one may serve any number of policies. A
// signal whose provider is not passed in is off, so without options it does nothing. It is safe
// for concurrent use and has nothing to close. The error names every wrong option, or is that of
// a provider which refused to make an instrument.
func NewObserver(opts ...Option) (retry.Observer, error) {
	c, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	o := new(observer)
	if c.meters != nil {
		o.metrics, err = newMetrics(c.meters.Meter(scope), &c)
		if err != nil {
			return nil, fmt.Errorf("otelx: %w", err)
		}
	}
	if c.tracers != nil {
		o.events = true
	}
	if c.attemptSpans {
		o.tracer = c.tracers.Tracer(scope)
	}
	return o, nil
}

type observer struct {
	metrics *metrics // nil: off
	events  bool     // add events to the caller's span
	tracer  tracer   // for attempt spans; nil: off
}

// AttemptDone implements retry.Observer.
func (o *observer) AttemptDone(ctx context.Context, a retry.Attempt) {
	if o.metrics != nil {
		o.metrics.attempt(ctx, a)
	}
	if o.tracer != nil {
		attemptSpan(ctx, o.tracer, a)
	}
	if o.events && a.Number > 1 {
		attemptEvents(ctx, a)
	}
}

// CallDone implements retry.Observer.
func (o *observer) CallDone(ctx context.Context, r retry.Report) {
	if o.metrics != nil {
		o.metrics.call(ctx, r)
	}
	if o.events && (r.Reason != retry.ReasonSuccess || r.Attempts > 1) {
		stopEvent(ctx, r)
	}
}
