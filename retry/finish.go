package retry

import (
	"context"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/layer"
)

// finish makes of a call that has stopped what Run returns.
func finish[S, T any](ctx context.Context, p *Policy, w *Work[S, T], call *Call, h *history, r *result[T]) (T, error) {
	call.heed(ctx)
	if p.observer != nil {
		report := call.Report()
		report.Err, report.Hedged = r.err, h.answerHedged
		p.observer.CallDone(ctx, report)
	}
	v := keep(w, r)
	if call.reason == ReasonSuccess {
		return v, r.err
	}
	call.spend(ctx)
	e := call.error(ctx, r.err)
	e.History = h.failures()
	return v, e
}

// succeed is finish for a first attempt that never came to a Call.
func succeed[S, T any](ctx context.Context, p *Policy, w *Work[S, T], f First, r *result[T]) (T, error) {
	var now time.Time
	if p.clock {
		now = time.Now()
	}
	p.succeed(now, f)
	p.observeAttempt(ctx, Attempt{Number: 1, Sent: f.sent}, now, r.outcome, r.err)
	if p.observer != nil {
		p.observer.CallDone(ctx, Report{
			Destination: p.destination, Reason: ReasonSuccess, Attempts: 1, Answer: 1, Err: r.err, Budget: p.budget,
		})
	}
	return keep(w, r), r.err
}

// AttemptDone tells the policy's observer, if it has one, of an attempt. It is for drivers of a Call; Run does it.
func (p *Policy) AttemptDone(ctx context.Context, a Attempt) {
	if p.observer != nil {
		a.Destination = p.destination
		p.observer.AttemptDone(ctx, a)
	}
}

// CallDone tells the policy's observer, if it has one, that a call has stopped, and the request that a server is
// handling under ctx, if there is one, that repeating it would not help. It returns nil for a success, and else
// an *Error around last, the last attempt's. It is for drivers of a Call; Run does it.
func (p *Policy) CallDone(ctx context.Context, c *Call, last error) error {
	c.heed(ctx)
	if p.observer != nil {
		report := c.Report()
		report.Err = last
		p.observer.CallDone(ctx, report)
	}
	return c.Err(ctx, last)
}

// Err is CallDone without the observer: for a driver that must settle a call before it calls the code of others.
func (c *Call) Err(ctx context.Context, last error) error {
	if c.reason == ReasonSuccess {
		return nil
	}
	c.heed(ctx)
	c.spend(ctx)
	return c.error(ctx, last)
}

// heed takes from the context why the caller gave up: by the clock alone a call that was cancelled before its deadline, and
// noticed after it, would seem to have missed that.
func (c *Call) heed(ctx context.Context) {
	if c.reason != ReasonCanceled && c.reason != ReasonDeadline {
		return
	}
	switch ctx.Err() {
	case context.Canceled:
		c.reason = ReasonCanceled
	case context.DeadlineExceeded:
		c.reason = ReasonDeadline
	}
}

// spend marks the request that a server is handling under ctx, so that it answers "do not retry" if it fails: what
// can be done about this failure has been done here. A policy that never retries has done nothing.
func (c *Call) spend(ctx context.Context) {
	switch c.reason {
	case ReasonNoRetry, ReasonHint, ReasonGate:
		layer.Spend(ctx)
	case ReasonMaxAttempts, ReasonBudget, ReasonDeadline:
		if c.p.maxAttempts != 1 {
			layer.Spend(ctx)
		}
	}
}

// abandon gives back what a call holds whose driver does not come back to it.
func (c *Call) abandon() {
	if c.reason == ReasonNone {
		c.Cancel(time.Now())
	}
}

func (p *Policy) observeAttempt(ctx context.Context, a Attempt, now time.Time, o Outcome, err error) {
	if p.observer == nil {
		return
	}
	a.Destination, a.Outcome, a.Err = p.destination, o, err
	if !a.Sent.IsZero() {
		a.Took = now.Sub(a.Sent)
	}
	p.observer.AttemptDone(ctx, a)
}
