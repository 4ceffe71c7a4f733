package retry

import (
	"context"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// Work is one call's work as a driver hands it to Run: what Do and DoValue are to a function, the RoundTripper is to
// a request. T is what an attempt returns.
type Work[T any] struct {
	// Send makes one attempt. ctx ends with the attempt's timeout; the attempt's number is s.Attempt, and for a
	// resend also AttemptNumber(ctx). When the call is hedged, attempts run on several goroutines at a time.
	Send func(ctx context.Context, s Step) (T, error)
	// Classify says what the attempt came to. It is asked only while the caller's context goes on; ended says that
	// the attempt's own context does not, because of its timeout.
	Classify func(v T, err error, ended bool) Outcome
	// Discard, if set, disposes of what an attempt returned that is not the call's answer, errors included. It is
	// called before the attempt's context is cancelled unless the attempt lost a race. A value that came too late
	// (Opening) is discarded at once, and the zero value with timeout.ErrAttempt after it.
	Discard func(v T, err error)
	// Keep, if set, takes over the context of the attempt that answers: cancel must be called in the end. Without
	// it the context is cancelled when Run returns.
	Keep func(v T, cancel context.CancelFunc) T
	// Hedge says that attempts may run side by side.
	Hedge bool
	// Opening says that the attempt timeout bounds only Send and not the use of what it returns; such a timeout is
	// not a deadline on the attempt's context.
	Opening bool

	noVerdict bool // an attempt without an error is a success, without asking Classify
}

// result is what an attempt returned, with the context it still holds.
type result[T any] struct {
	value   T
	err     error
	cancel  context.CancelFunc // nil: the attempt ran on the caller's context
	outcome Outcome
}

// Run makes a call: attempts, waits and hedges as the policy has it. It returns the value of the attempt that ended
// the call. If the call did not succeed, the error is an *Error, and the value may still be worth having (a 503): it
// is zero only if the caller gave up while the call waited. If it did succeed, the error is what that attempt
// returned, which is not nil only where Classify took an error for a success.
func Run[T any](ctx context.Context, p *Policy, w *Work[T]) (T, error) {
	if w.Hedge && p.hedge != nil && p.maxAttempts != 1 {
		return runRace(ctx, p, w)
	}
	return runInTurn(ctx, p, w)
}

// runInTurn is Run without hedging. The first attempt stays outside the state machine.
func runInTurn[T any](ctx context.Context, p *Policy, w *Work[T]) (v T, err error) {
	if stopped := p.admitFirst(ctx); stopped != nil {
		return v, stopped
	}
	f := p.Begin()
	ended := false
	defer func() { // a panic or runtime.Goexit in Send
		if !ended {
			p.budget.End(time.Now(), f.permit, budget.None)
		}
	}()
	var r result[T]
	attempt(ctx, w, Step{Op: Send, Kind: budget.First, Attempt: 1, Timeout: p.attemptTimeout()}, &r)
	ended = true
	if r.outcome.Class == Success {
		now := p.endTime(time.Time{}, r.outcome)
		p.succeed(now, f)
		p.observeSuccess(ctx, now, f)
		return r.keep(w), r.err
	}
	return inTurn(ctx, p, w, f, r)
}

// Continue takes over a call whose first attempt, told by Begin and sent on ctx itself, came to v and err, which
// is no success.
func Continue[T any](ctx context.Context, p *Policy, w *Work[T], f First, v T, err error) (T, error) {
	return inTurn(ctx, p, w, f, result[T]{value: v, err: err, outcome: w.sort(ctx, ctx, v, err)})
}

// admitFirst refuses a call whose context has ended, or whose budget has a gate that is shut.
func (p *Policy) admitFirst(ctx context.Context) *Error {
	reason := ReasonNone
	switch {
	case ctx.Err() != nil:
		reason = ReasonCanceled
		if ctx.Err() == context.DeadlineExceeded {
			reason = ReasonDeadline
		}
	case p.gate != nil && !p.gate.Allow(time.Now(), p.unit()):
		reason = ReasonGate
	default:
		return nil
	}
	e := &Error{Reason: reason, Destination: p.destination, Ended: contextError(ctx)}
	if reason == ReasonGate {
		layer.Spend(ctx)
	}
	if p.observer != nil {
		p.observer.CallDone(ctx, Report{Destination: p.destination, Reason: reason, Err: e.Ended, Budget: p.budget})
	}
	return e
}

// attempt makes one attempt and sorts what it came to.
func attempt[T any](ctx context.Context, w *Work[T], s Step, r *result[T]) {
	r.cancel = nil
	if s.Timeout > 0 {
		attemptTimed(ctx, w, s, r)
		return
	}
	actx := resend(ctx, s)
	r.value, r.err = w.Send(actx, s)
	r.outcome = w.sort(ctx, actx, r.value, r.err)
}

// attemptTimed is attempt with a timeout of the attempt's own.
func attemptTimed[T any](ctx context.Context, w *Work[T], s Step, r *result[T]) {
	var (
		actx     context.Context
		opened   *time.Timer
		returned bool
	)
	if w.Opening {
		actx, r.cancel, opened = opening(ctx, s.Timeout)
	} else {
		actx, r.cancel = timeout.Attempt(ctx, s.Timeout)
	}
	defer func() { // a panic or runtime.Goexit in Send
		if !returned {
			r.cancel()
		}
	}()
	r.value, r.err = w.Send(resend(actx, s), s)
	if opened != nil && !opened.Stop() && r.err == nil {
		w.drop(r) // it came too late: its context has ended, and with it perhaps a body that nobody has read
	}
	r.outcome = w.sort(ctx, actx, r.value, r.err)
	returned = true
}

// resend puts the number of a resend on its context.
func resend(ctx context.Context, s Step) context.Context {
	if s.Attempt == 1 {
		return ctx
	}
	return &attemptContext{ctx, s.Attempt}
}

// drop makes a timeout of an answer.
func (w *Work[T]) drop(r *result[T]) {
	if w.Discard != nil {
		w.Discard(r.value, nil)
	}
	var none T
	r.value, r.err = none, timeout.ErrAttempt
}

// sort classifies what an attempt on actx came to. What failed when the caller had given up says nothing.
func (w *Work[T]) sort(ctx, actx context.Context, v T, err error) Outcome {
	if err == nil && w.noVerdict {
		return Outcome{}
	}
	if err != nil && ctx.Err() != nil {
		return Outcome{Class: Canceled}
	}
	lapsed := err != nil && actx != ctx && (err == timeout.ErrAttempt || context.Cause(actx) == timeout.ErrAttempt)
	o := w.Classify(v, err, lapsed)
	if o.Class != Success && o.Class != Rejected && ctx.Err() != nil {
		return Outcome{Class: Canceled}
	}
	return o
}

// opening is a context that a timer cancels after d unless it is stopped first: a timeout for the beginning of
// something that may go on for longer. It has no deadline of its own.
func opening(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc, *time.Timer) {
	actx, fail := context.WithCancelCause(ctx)
	timer := time.AfterFunc(d, func() { fail(timeout.ErrAttempt) })
	return actx, func() { timer.Stop(); fail(context.Canceled) }, timer
}

type attemptKey struct{}

// attemptContext carries the number of a resend. context.WithValue would do the same at twice the price.
type attemptContext struct {
	context.Context
	number int
}

func (c *attemptContext) Value(key any) any {
	if key == (attemptKey{}) {
		return c.number
	}
	return c.Context.Value(key)
}

// AttemptNumber is which attempt of its call is being made on ctx, from 1. Only resends carry it: 1 is returned for
// a first attempt and outside a call, but a call made inside a resend has that one's number in its first attempt.
func AttemptNumber(ctx context.Context) int {
	if n, ok := ctx.Value(attemptKey{}).(int); ok {
		return n
	}
	return 1
}

// keep hands the attempt's context over with its answer.
func (r *result[T]) keep(w *Work[T]) T {
	switch {
	case r.cancel == nil:
	case w.Keep == nil:
		r.cancel()
	default:
		return w.Keep(r.value, r.cancel)
	}
	return r.value
}

// discard disposes of an answer that is not the call's, and reports whether that may have taken time.
func (r *result[T]) discard(w *Work[T]) bool {
	if w.Discard != nil {
		w.Discard(r.value, r.err)
	}
	if r.cancel != nil {
		r.cancel()
	}
	return w.Discard != nil
}

// inTurn drives a call from the end of its first attempt on, one attempt at a time.
func inTurn[T any](ctx context.Context, p *Policy, w *Work[T], f First, r result[T]) (T, error) {
	var (
		call Call
		h    history
	)
	now, step, waited := time.Now(), Step{Attempt: 1}, time.Duration(0)
	deadline, _ := ctx.Deadline()
	call.resume(p, now, f, deadline, false)
	defer func() { // a panic or runtime.Goexit in whatever is called from here
		if call.abandon() && r.cancel != nil {
			r.cancel()
		}
	}()
	for {
		if r.outcome.Class != Success {
			h.add(step.Attempt, r.outcome.Class, r.err)
		}
		if p.observer != nil {
			p.observeAttempt(ctx, call.attempt(step, waited), now, r.outcome, r.err)
		}
		call.Done(now, step.Attempt, r.outcome)
		if call.reason != ReasonNone {
			return finish(ctx, p, w, &call, &h, &r)
		}
		if r.discard(w) {
			now = time.Now()
		}
		waited = call.waited
		step = sleep(ctx, &call, now)
		if step.Op == Stop {
			return finish(ctx, p, w, &call, &h, &result[T]{err: r.err})
		}
		waited = call.waited - waited
		attempt(ctx, w, step, &r)
		now = p.endTime(now, r.outcome)
	}
}

// attempt is the attempt that was sent last, which waited that long.
func (c *Call) attempt(s Step, waited time.Duration) Attempt {
	return Attempt{Number: s.Attempt, Kind: s.Kind, Waited: waited, Sent: c.start.Add(c.lastSent)}
}

// endTime is when an attempt ended. Of a success nobody may want to know: then the time before it will do.
func (p *Policy) endTime(before time.Time, o Outcome) time.Time {
	if o.Class == Success && !p.clock {
		return before
	}
	return time.Now()
}

// sleep waits until the next attempt is due and returns its step, or a Stop if the caller gave up.
func sleep(ctx context.Context, call *Call, now time.Time) Step {
	if ctx.Err() != nil {
		call.Cancel(now)
	}
	step := call.Next(now)
	if step.Op != Wait {
		return step
	}
	timer := time.NewTimer(time.Until(step.At)) // not pooled: a pooled timer is fatal in a synctest bubble
	defer timer.Stop()
	for step.Op == Wait {
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		now = time.Now()
		if ctx.Err() != nil { // also when both were ready
			call.Cancel(now)
		}
		step = call.Next(now)
		if step.Op == Wait {
			timer.Reset(time.Until(step.At))
		}
	}
	return step
}

// finish makes of a call that has stopped what Run returns.
func finish[T any](ctx context.Context, p *Policy, w *Work[T], call *Call, h *history, r *result[T]) (T, error) {
	v := r.keep(w)
	if p.observer != nil {
		report := call.Report()
		report.Err, report.Hedged = r.err, h.answerHedged
		p.observer.CallDone(ctx, report)
	}
	if call.reason == ReasonSuccess {
		return v, r.err
	}
	call.spend(ctx)
	e := call.error(ctx, r.err)
	e.History = h.failures()
	return v, e
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
	if p.observer != nil {
		report := c.Report()
		report.Err = last
		p.observer.CallDone(ctx, report)
	}
	if c.reason == ReasonSuccess {
		return nil
	}
	c.spend(ctx)
	return c.error(ctx, last)
}

// spend marks the request that a server is handling under ctx, so that it answers "do not retry" if it fails: what
// can be done about this failure has been done here. A policy that never retries has done nothing.
func (c *Call) spend(ctx context.Context) {
	switch c.reason {
	case ReasonNoRetry, ReasonHint:
		layer.Spend(ctx)
	case ReasonMaxAttempts, ReasonBudget, ReasonDeadline:
		if c.p.maxAttempts != 1 {
			layer.Spend(ctx)
		}
	}
}

// abandon gives back what a call holds whose driver does not come back to it, and reports whether that is so.
func (c *Call) abandon() bool {
	if c.reason != ReasonNone {
		return false
	}
	c.Cancel(time.Now())
	return true
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

// observeSuccess is for a first attempt that never came to a Call.
func (p *Policy) observeSuccess(ctx context.Context, now time.Time, f First) {
	if p.observer == nil {
		return
	}
	p.observeAttempt(ctx, Attempt{Number: 1, Sent: f.sent}, now, Outcome{}, nil)
	p.observer.CallDone(ctx, Report{
		Destination: p.destination, Reason: ReasonSuccess, Attempts: 1, Answer: 1, Budget: p.budget,
	})
}
