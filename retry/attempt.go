package retry

import (
	"context"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// result is what an attempt returned, with the context it still holds.
type result[T any] struct {
	value   T
	err     error
	cancel  context.CancelFunc // nil: the attempt ran on the caller's context
	outcome Outcome
	held    bool // it came of an attempt, and nobody has disposed of it or handed it on
}

// attempt makes one attempt on actx, which is ctx or, for a resend, made of it, and sorts what it came to.
func attempt[S, T any](ctx, actx context.Context, w *Work[S, T], number int, limit time.Duration, r *result[T]) {
	r.cancel = nil
	if limit > 0 {
		attemptTimed(ctx, actx, w, number, limit, r)
		return
	}
	sctx, inside := w.enter(actx, number)
	r.value, r.err = w.Send(w.State, sctx, number, false)
	r.held = true
	r.outcome = w.sort(ctx, nil, inside, r.value, r.err)
}

// enter returns the context that Send is given, and of an operation's attempt what is known of the calls made in it.
func (w *Work[S, T]) enter(actx context.Context, number int) (context.Context, *layer.Attempt) {
	if w.errors == nil {
		return actx, nil
	}
	inside := layer.Enter(actx, number)
	if inside == nil {
		return actx, nil
	}
	return inside, inside
}

// attemptTimed is attempt with a timeout of the attempt's own.
func attemptTimed[S, T any](ctx, actx context.Context, w *Work[S, T], number int, limit time.Duration, r *result[T]) {
	var (
		opened   *time.Timer
		returned bool
	)
	if w.Opening {
		actx, r.cancel, opened = opening(actx, limit)
	} else {
		actx, r.cancel = timeout.Attempt(actx, limit)
	}
	defer func() { // a panic or runtime.Goexit in Send
		if !returned {
			r.cancel()
		}
	}()
	sctx, inside := w.enter(actx, number)
	r.value, r.err = w.Send(w.State, sctx, number, true)
	if opened != nil && !opened.Stop() && r.err == nil {
		w.drop(r) // it came too late: its context has ended, and with it perhaps a body that nobody has read
	}
	returned, r.held = true, true
	r.outcome = w.sort(ctx, actx, inside, r.value, r.err)
}

// resend puts the number of a resend on its context, unless Send or enter does.
func (w *Work[S, T]) resend(ctx context.Context, attempt int) context.Context {
	if attempt == 1 || w.Numbers || w.errors != nil {
		return ctx
	}
	return &ResendContext{ctx, attempt}
}

// drop makes a timeout of an answer.
func (w *Work[S, T]) drop(r *result[T]) {
	if w.Discard != nil {
		w.Discard(w.State, r.value, nil)
	}
	var none T
	r.value, r.err = none, timeout.ErrAttempt
}

// sort classifies what an attempt came to, on the context actx of its own if it was timed (nil if not; contexts
// are not compared: one may be of a type that cannot be). What failed when the caller had given up says nothing.
func (w *Work[S, T]) sort(ctx, actx context.Context, inside *layer.Attempt, v T, err error) Outcome {
	switch {
	case w.errors != nil && err == nil:
		return Outcome{}
	case w.errors != nil:
		return w.errors.sort(ctx, actx, inside, err)
	case err != nil && ctx.Err() != nil:
		return Outcome{Class: Canceled}
	}
	o := w.Classify(w.State, v, err, lapsed(actx, err))
	if o.Class != Success && o.Class != Rejected && ctx.Err() != nil {
		return Outcome{Class: Canceled}
	}
	return o
}

// lapsed reports whether the attempt's own timeout, if it had one, is why it failed.
func lapsed(actx context.Context, err error) bool {
	return err != nil && actx != nil && (err == timeout.ErrAttempt || context.Cause(actx) == timeout.ErrAttempt)
}

// opening is a context that a timer cancels after d unless it is stopped first: a timeout for the beginning of
// something that may go on for longer. It has no deadline of its own.
func opening(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc, *time.Timer) {
	actx, fail := context.WithCancelCause(ctx)
	timer := time.AfterFunc(d, func() { fail(timeout.ErrAttempt) })
	return actx, func() { timer.Stop(); fail(context.Canceled) }, timer
}

// ResendContext is the context of a resend: it carries the attempt's number for AttemptNumber, and all else of the
// Context in it. It is for drivers that have room for it in what they allocate for an attempt anyway (Work.Numbers).
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

// AttemptNumber returns which attempt of its call is being made on ctx, from 1. Only resends carry it: 1 is returned
// for a first attempt and outside a call. A call of Do that is made inside a resend may have that one's number in its
// first attempt; one of httpx or grpcx has its own.
func AttemptNumber(ctx context.Context) int {
	if n, ok := ctx.Value(layer.Number{}).(int); ok {
		return n
	}
	return 1
}

// keep hands the attempt's context over with its answer. It comes after whatever of a user's own may panic.
func keep[S, T any](w *Work[S, T], r *result[T]) T {
	v := r.value
	switch {
	case r.cancel == nil:
	case w.Keep == nil:
		r.cancel()
	default:
		v = w.Keep(r.value, r.cancel)
	}
	r.held = false
	return v
}

// discard disposes of an answer that is not the call's.
func discard[S, T any](w *Work[S, T], r *result[T]) {
	r.held = false
	if r.cancel != nil {
		defer r.cancel() // Discard may panic
	}
	if w.Discard != nil {
		w.Discard(w.State, r.value, r.err)
	}
}

// dispose is deferred where a panic or runtime.Goexit may leave a result to nobody.
func dispose[S, T any](w *Work[S, T], r *result[T]) {
	if r.held {
		discard(w, r)
	}
}
