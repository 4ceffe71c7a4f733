package drive

import (
	"context"
	"errors"
	"time"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// result holds what an attempt returned, and the attempt's context if that is its own.
type result[T any] struct {
	value   T
	err     error
	cancel  context.CancelFunc // of the attempt's own context; nil: it ran on the caller's
	outcome call.Outcome
	status  string // what the server answered; set after a failure, or if there is an observer
	held    bool   // value and cancel are still to be discarded or handed on
}

// attempt makes one attempt and classifies it. ctx is the call's context; actx is the same or, for
// a resend, derived from it.
func (r *result[T]) attempt(
	ctx, actx context.Context, p *Policy, w Work[T], o Options, number int, limit time.Duration,
) {
	r.cancel = nil
	if limit <= 0 {
		sctx, inside := o.enter(actx, number)
		r.value, r.err = w.Send(sctx, number, false)
		r.held = true
		r.classify(ctx, nil, p, w, Result[T]{Attempt: number, Inside: inside}, 0)
		return
	}
	var opened *time.Timer
	if o.Opening {
		actx, r.cancel, opened = opening(actx, limit)
	} else {
		actx, r.cancel = timed(actx, limit)
	}
	returned := false
	defer func() { // a panic or runtime.Goexit in Send
		if !returned {
			r.cancel()
		}
	}()
	sctx, inside := o.enter(actx, number)
	r.value, r.err = w.Send(sctx, number, true)
	late := opened != nil && !opened.Stop() // the timer has ended actx, which an unread body may need
	returned, r.held = true, true
	r.classify(ctx, actx, p, w, Result[T]{Attempt: number, Ended: late, Inside: inside}, limit)
}

// enter returns the context to pass to Send. For an attempt of an operation, the layer.Attempt
// records the calls made in it; nil if there is none.
func (o Options) enter(actx context.Context, number int) (context.Context, *layer.Attempt) {
	if !o.Operation {
		return actx, nil
	}
	inside := layer.Enter(actx, number)
	if inside == nil {
		return actx, nil
	}
	return inside, inside
}

// classify sets the attempt's outcome and, after a failure or for an observer, its status. actx is
// the attempt's own context if it was timed, and nil if not (comparing it with ctx could panic).
// about has everything but what the attempt returned.
func (r *result[T]) classify(ctx, actx context.Context, p *Policy, w Work[T], about Result[T], limit time.Duration) {
	v, err := r.value, r.err
	r.setOutcome(ctx, actx, p, w, about, limit)
	if r.outcome.Class != call.Success || p.Observer != nil {
		if s, ok := w.(Statuser[T]); ok {
			r.status = s.Status(v, err)
		}
	}
}

// setOutcome sets the attempt's outcome. A failure after the caller gave up is Canceled, unless it
// is a server's refusal.
func (r *result[T]) setOutcome(ctx, actx context.Context, p *Policy, w Work[T], about Result[T], limit time.Duration) {
	gaveUp := r.err != nil && ctx.Err() != nil
	if gaveUp && !refused(w, r.err) {
		r.outcome = canceled(ctx)
		return
	}
	about.Value, about.Err = r.value, r.err
	about.Ended = about.Ended || r.err != nil && actx != nil && expired(ctx, actx)
	r.outcome = w.Classify(ctx, p, about)
	switch {
	case gaveUp && !r.outcome.Alive: // refused by the client itself, perhaps for the same reason
		r.outcome = canceled(ctx)
	case r.outcome.Class == call.Success || r.outcome.Class == call.Rejected:
	case ctx.Err() != nil:
		r.outcome = canceled(ctx)
	case about.Ended:
		r.timedOut(w, limit)
	}
}

// refused reports whether err may be a server's refusal.
func refused[T any](w Work[T], err error) bool {
	r, ok := w.(Refuser)
	return ok && r.Refused(err)
}

// expired reports whether the timeout of an attempt on actx, derived from ctx, has passed. A
// server that was sent the deadline may answer before the context's timer fires.
func expired(ctx, actx context.Context) bool {
	return context.Cause(actx) == timeout.ErrAttempt || passed(actx) && !passed(ctx)
}

// timedOut replaces the attempt's error, or the answer that came too late, with the error of its
// timeout.
func (r *result[T]) timedOut(w Work[T], limit time.Duration) {
	if r.err == nil {
		v := r.value
		var none T
		r.value, r.err = none, timeout.ErrAttempt
		w.Discard(v, nil)
	}
	r.err = TimedOut(r.err, limit)
}

// TimedOut returns the error of an attempt whose own timeout passed. It hides context.Canceled,
// which transports return for any context that ended: the caller canceled nothing.
func TimedOut(err error, limit time.Duration) error {
	if errors.Is(err, context.Canceled) {
		err = timeout.ErrAttempt
	}
	return &call.TimeoutError{Err: err, Limit: limit}
}

// opening returns a context that a timer cancels after d unless the timer is stopped first: a
// timeout for Send alone, not for the use of its result. The context has no deadline of its own.
func opening(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc, *time.Timer) {
	actx, fail := context.WithCancelCause(ctx)
	timer := time.AfterFunc(d, func() { fail(timeout.ErrAttempt) })
	return actx, func() { timer.Stop(); fail(context.Canceled) }, timer
}

// keep hands the attempt's context over with its answer. Call it last: user hooks before it may
// panic.
func (r *result[T]) keep(w Work[T]) T {
	v := r.value
	if r.cancel != nil {
		v = w.Keep(v, r.cancel)
	}
	r.held = false
	return v
}

// hold passes an answer that is kept to w, if that is a Holder.
func (r *result[T]) hold(w Work[T]) {
	if h, ok := w.(Holder[T]); ok && r.held {
		h.Hold(r.value)
	}
}

// discard disposes of an answer that is not the call's, if there is one. It keeps r.err.
func (r *result[T]) discard(w Work[T]) {
	if !r.held {
		return
	}
	r.held = false
	if r.cancel != nil {
		defer r.cancel() // Discard may panic
	}
	v := r.value
	var none T
	r.value = none
	w.Discard(v, r.err)
}

// ResendContext is the context of a resend: it carries the attempt's number for AttemptNumber. A
// Work that allocates something for each attempt anyway can put it there (Options.Numbers).
type ResendContext struct {
	context.Context
	Attempt int
}

// Value implements context.Context.
func (c *ResendContext) Value(key any) any {
	switch key.(type) {
	case layer.Number, layer.Resend:
		return c.Attempt
	}
	return c.Context.Value(key)
}

// AttemptNumber returns the number of the attempt that is made on ctx, from 1. Only the contexts
// of resends carry it.
func AttemptNumber(ctx context.Context) int {
	if n, ok := ctx.Value(layer.Number{}).(int); ok {
		return n
	}
	return 1
}

// resend puts the number of a resend on its context, unless Send or enter does.
func (o Options) resend(ctx context.Context, attempt int) context.Context {
	if attempt == 1 || o.Numbers || o.Operation {
		return ctx
	}
	return &ResendContext{ctx, attempt}
}

// RequireIdempotent returns o with another attempt forbidden if this one may have had its effect,
// unless the operation is idempotent.
func RequireIdempotent(o call.Outcome, idempotent bool) call.Outcome {
	if idempotent || o.Forbidden != call.ReasonNone {
		return o
	}
	switch o.Class {
	case call.Success, call.Rejected, call.Unprocessed, call.Canceled:
	default: // also a class that a user's classifier made up, which is retried like any failure
		o.Forbidden = call.ReasonNotIdempotent
	}
	return o
}
