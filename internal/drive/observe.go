package drive

import (
	"context"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/layer"
)

// AttemptDone reports an attempt to the observer, if there is one.
func (p *Policy) AttemptDone(ctx context.Context, a call.Attempt) {
	if p.Observer != nil {
		a.Destination, a.Max = p.Destination, max(p.MaxAttempts, 0)
		p.Observer.AttemptDone(ctx, a)
	}
}

// CallDone reports to the observer, if there is one, that a call has stopped.
func (p *Policy) CallDone(ctx context.Context, r call.Report) {
	if p.Observer != nil {
		p.Observer.CallDone(ctx, r)
	}
}

// report returns the report of a call that has stopped. last is the last attempt's error.
func report(ctx context.Context, c *call.Call, last error) call.Report {
	r := c.Report()
	r.Err = last
	if r.Attempts == 0 {
		r.Err = contextError(ctx)
	}
	return r
}

// Stopped returns the error of a call that has stopped, nil for a success, and calls spend. last
// is the last attempt's error.
func (p *Policy) Stopped(ctx context.Context, c *call.Call, last error, history []call.Failure) *call.Error {
	r := c.Report()
	if r.Reason == call.ReasonSuccess {
		return nil
	}
	p.spend(ctx, r.Reason)
	e := &call.Error{
		Reason: r.Reason, Attempts: r.Attempts, Destination: r.Destination, Shadow: r.Shadow, After: r.After,
		Waited: r.Waited, Queued: r.Queued, Hint: r.Hint, MaxHint: r.MaxHint, Last: last, History: history,
	}
	if r.Reason == call.ReasonCanceled || r.Reason == call.ReasonDeadline {
		e.Ended = contextError(ctx)
		if e.Ended == nil && r.Reason == call.ReasonDeadline && passed(ctx) {
			e.Ended = context.DeadlineExceeded
		}
	}
	return e
}

// spend notes for the layers above, such as the request that a server is handling under ctx, that
// retries of a failed call were used up here, so that they do not retry, too. A policy that never
// retries has not used up any.
func (p *Policy) spend(ctx context.Context, reason call.Reason) {
	switch reason {
	case call.ReasonNoRetry, call.ReasonHint, call.ReasonGate, call.ReasonPaused:
		layer.Spend(ctx)
	case call.ReasonMaxAttempts, call.ReasonMaxElapsed, call.ReasonBudget, call.ReasonDeadline:
		if p.MaxAttempts != 1 {
			layer.Spend(ctx)
		}
	}
}
