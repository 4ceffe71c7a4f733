package drive

import (
	"context"
	"errors"
	"time"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// result holds what an attempt returned, with the context it still holds.
type result[T any] struct {
	value   T
	err     error
	cancel  context.CancelFunc // nil: the attempt ran on the caller's context
	outcome call.Outcome
	status  string // what the server answered, if somebody is going to know
	held    bool   // an attempt returned it, and it was neither discarded nor handed on
}

// attempt makes one attempt on actx, which is ctx or, for a resend, made of it, and classifies it.
func (r *result[T]) attempt(
	ctx, actx context.Context, p *Policy, w Work[T], o Options, number int, limit time.Duration,
) {
	r.cancel = nil
	if limit <= 0 {
		sctx, inside := o.enter(actx, number)
		r.value, r.err = w.Send(sctx, number, false)
		r.held = true
		r.sort(ctx, nil, p, w, Result[T]{Attempt: number, Inside: inside}, 0)
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
	late := opened != nil && !opened.Stop() // its context has ended, and with it perhaps an unread body
	returned, r.held = true, true
	r.sort(ctx, actx, p, w, Result[T]{Attempt: number, Ended: late, Inside: inside}, limit)
}

// enter returns the context that Send is given, and of an operation's attempt what is known of the
// calls made in it.
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

// sort classifies an attempt, and notes what the server answered if it is no success or somebody
// observes the call.
func (r *result[T]) sort(ctx, actx context.Context, p *Policy, w Work[T], about Result[T], limit time.Duration) {
	v, err := r.value, r.err
	r.classify(ctx, actx, p, w, about, limit)
	if r.outcome.Class != call.Success || p.Observer != nil {
		if s, ok := w.(Statuser[T]); ok {
			r.status = s.Status(v, err)
		}
	}
}

// classify finds the outcome of an attempt, on the context actx of its own if it was timed (nil if
// not; contexts are not compared: one may be of a type that cannot be). What failed when the
// caller had given up says nothing.
func (r *result[T]) classify(ctx, actx context.Context, p *Policy, w Work[T], about Result[T], limit time.Duration) {
	if r.err != nil && ctx.Err() != nil {
		r.outcome = canceled(ctx)
		return
	}
	about.Value, about.Err = r.value, r.err
	about.Ended = about.Ended || r.err != nil && actx != nil && expired(ctx, actx)
	r.outcome = w.Classify(ctx, p, about)
	switch {
	case r.outcome.Class == call.Success || r.outcome.Class == call.Rejected:
	case ctx.Err() != nil:
		r.outcome = canceled(ctx)
	case about.Ended:
		r.timedOut(w, limit)
	}
}

// expired reports whether an attempt on actx, made of ctx, ran out of its own time. A server that
// was given the deadline may notice it before the context's timer does.
func expired(ctx, actx context.Context) bool {
	return context.Cause(actx) == timeout.ErrAttempt || passed(actx) && !passed(ctx)
}

// timedOut makes the attempt's timeout of its error, or of its answer.
func (r *result[T]) timedOut(w Work[T], limit time.Duration) {
	if r.err == nil {
		v := r.value
		var none T
		r.value, r.err = none, timeout.ErrAttempt
		w.Discard(v, nil)
	}
	r.err = TimedOut(r.err, limit)
}

// TimedOut returns the error of an attempt whose own timeout passed. It says nothing of a
// cancellation: transports say so of any context that ended, and the caller has canceled nothing.
func TimedOut(err error, limit time.Duration) error {
	if errors.Is(err, context.Canceled) {
		err = timeout.ErrAttempt
	}
	return &call.TimeoutError{Err: err, Limit: limit}
}

// opening returns a context that a timer cancels after d unless it is stopped first: a timeout
// for the beginning of something that may go on for longer. It has no deadline of its own.
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

// discard disposes of an answer that is not the call's, if there is one. Its error stays.
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

// ResendContext is the context of a resend: it carries the attempt's number for AttemptNumber, and
// all else of the Context in it. It is for drivers that have room for it in what they allocate for
// an attempt anyway (Options.Numbers).
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

// AttemptNumber returns which attempt of its call is being made on ctx, from 1. Only resends
// carry it.
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

// Limit forbids to repeat an attempt that may have had its effect, unless the operation may have
// that twice.
func Limit(o call.Outcome, idempotent bool) call.Outcome {
	if idempotent || o.Forbidden != call.ReasonNone {
		return o
	}
	switch o.Class {
	case call.Transient, call.Throttled, call.Timeout:
		o.Forbidden = call.ReasonNotIdempotent
	}
	return o
}
