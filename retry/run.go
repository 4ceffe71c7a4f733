package retry

import (
	"context"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/layer"
)

// Work is one call's work as a driver hands it to Run: what Do and DoValue are to a function, the RoundTripper is to
// a request. T is what an attempt returns. S is what the functions are called with, so that they can be method
// expressions, as (*call).send: those cost nothing, where a closure or a method value is an allocation each.
type Work[S, T any] struct {
	State S
	// Send makes one attempt. Its number is from 1, and for a resend also AttemptNumber(ctx), unless Numbers; timed
	// says that ctx has a timeout of the attempt's own. When the call is hedged, attempts run on several goroutines at
	// a time.
	Send func(s S, ctx context.Context, attempt int, timed bool) (T, error)
	// Classify says what the attempt came to. It is asked only while the caller's context goes on; ended says that
	// the attempt's own context does not, because of its timeout.
	Classify func(s S, v T, err error, ended bool) Outcome
	// Discard, if set, disposes of what an attempt returned that is not the call's answer, errors included. It is
	// called before the attempt's context is cancelled unless the attempt lost a race. A value that came too late
	// (Opening) is discarded at once, and the zero value with timeout.ErrAttempt after it.
	Discard func(s S, v T, err error)
	// Keep, if set, takes over the context of the attempt that answers: cancel must be called in the end. Without
	// it the context is cancelled when Run returns.
	Keep func(v T, cancel context.CancelFunc) T
	// Hedge says that attempts may run side by side.
	Hedge bool
	// Opening says that the attempt timeout bounds only Send and not the use of what it returns; such a timeout is
	// not a deadline on the attempt's context.
	Opening bool
	// Numbers says that Send puts the number on the context of a resend by itself, as a ResendContext.
	Numbers bool

	errors *Policy // in place of Classify: the error alone decides, as this policy sorts it
}

// Run makes a call: attempts, waits and hedges as the policy has it. It returns the value of the attempt that ended
// the call. If the call did not succeed, the error is an *Error, and the value may still be worth having (a 503): it
// is zero only if the caller gave up while the call waited. If it did succeed, the error is what that attempt
// returned, which is not nil only where Classify took an error for a success.
func Run[S, T any](ctx context.Context, p *Policy, w *Work[S, T]) (T, error) {
	if w.Hedge && p.hedge != nil && p.maxAttempts != 1 {
		return runRace(ctx, p, w)
	}
	return runInTurn(ctx, p, w)
}

// runInTurn is Run without hedging. The first attempt stays outside the state machine.
func runInTurn[S, T any](ctx context.Context, p *Policy, w *Work[S, T]) (v T, err error) {
	if stopped := p.admitFirst(ctx); stopped != nil {
		return v, stopped
	}
	f := p.Begin()
	var r result[T]
	ended := false
	defer func() { // a panic or runtime.Goexit in Send, or in what is a user's own
		if !ended {
			p.budget.End(time.Now(), f.permit, budget.None)
		}
		dispose(w, &r)
	}()
	attempt(ctx, ctx, w, 1, p.attemptTimeout(), &r)
	ended = true // by what follows
	if r.outcome.Class == Success {
		return succeed(ctx, p, w, f, &r)
	}
	return inTurn(ctx, p, w, f, &r)
}

// Continue takes over a call whose first attempt, told by Begin and sent on ctx itself, came to v and err, which
// is no success.
func Continue[S, T any](ctx context.Context, p *Policy, w *Work[S, T], f First, v T, err error) (T, error) {
	r := result[T]{value: v, err: err, held: true}
	defer dispose(w, &r)
	r.outcome = w.sort(ctx, nil, nil, v, err)
	return inTurn(ctx, p, w, f, &r)
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

// inTurn drives a call from the end of its first attempt on, one attempt at a time. It asks the Call for no Step:
// what is next is the pending attempt, always, as nothing else is under way.
func inTurn[S, T any](ctx context.Context, p *Policy, w *Work[S, T], f First, r *result[T]) (T, error) {
	var (
		call   Call
		h      history
		waited time.Duration
	)
	deadline, _ := ctx.Deadline()
	call.resume(p, time.Now(), f, deadline, false)
	if !p.plain || w.Discard != nil { // else there is nothing to leave: of a retry that never ends a Bucket takes no note
		defer func() { // a panic or runtime.Goexit in whatever is called from here
			call.abandon()
			dispose(w, r)
		}()
	}
	for {
		if r.outcome.Class != Success {
			h.add(call.sent, r.outcome.Class, r.err)
		}
		if p.observer != nil {
			p.observeAttempt(ctx, call.latest(waited), call.now, r.outcome, r.err)
		}
		call.done(call.sent, r.outcome)
		if call.reason != ReasonNone {
			return finish(ctx, p, w, &call, &h, r)
		}
		if w.Discard != nil || r.cancel != nil {
			discard(w, r)
		}
		actx, ok := wait(ctx, &call, w)
		if !ok {
			return finish(ctx, p, w, &call, &h, &result[T]{err: r.err})
		}
		waited = call.waited
		call.retry()
		waited = call.waited - waited
		attempt(ctx, actx, w, call.sent, p.attemptTimeout(), r)
		if r.outcome.Class == Success && !p.clock { // nobody wants to know when
			call.reason = ReasonSuccess // first: the budget may be a user's, and panic
			p.end(time.Time{}, call.held, budget.Alive)
			return keep(w, r), r.err
		}
		call.tell(time.Now())
	}
}

// latest is the attempt that was sent last, one at a time, which waited that long.
func (c *Call) latest(waited time.Duration) Attempt {
	kind := budget.Retry
	if c.sent == 1 {
		kind = budget.First
	}
	return Attempt{Number: c.sent, Kind: kind, Waited: waited, Sent: c.start.Add(c.lastSent)}
}

// wait waits until the pending attempt is due, and tells the Call the time. It returns the attempt's context, or reports
// false, and has stopped the call, if the caller gave up.
func wait[S, T any](ctx context.Context, c *Call, w *Work[S, T]) (actx context.Context, ok bool) {
	var timer *time.Timer
	switch {
	case c.at < c.due:
		timer = alarm(c)
	case c.p.clock:
		c.tell(time.Now()) // observers and the like may have taken time
	}
	actx = w.resend(ctx, c.sent+1) // while the timer runs
	if timer != nil {
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
			c.rang()
		}
	}
	if ctx.Err() != nil { // also when both were ready
		c.Cancel(time.Now())
		return nil, false
	}
	return actx, true
}

// alarm is a timer for when the pending attempt is due. It is nil if that has passed, and the Call has been told: what
// was done since the attempt before is part of the wait.
func alarm(c *Call) *time.Timer {
	left := time.Until(c.start.Add(c.due))
	if left <= 0 {
		c.tell(time.Now())
		return nil
	}
	return time.NewTimer(left) // not pooled: a pooled timer is fatal in a synctest bubble
}

// rang tells that the pending attempt has become due, more exactly if somebody wants to know.
func (c *Call) rang() {
	if c.p.clock {
		c.tell(time.Now())
		return
	}
	c.tell(c.start.Add(c.due))
}
