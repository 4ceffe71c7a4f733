package retry

import (
	"context"
	"errors"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// Do calls op until it succeeds or the policy stops the call. It returns nil or an *Error, which
// unwraps to op's last error and, if the context ended the call, to the context's error. If op was
// called once and the policy added no timeout, wait or refusal, Do returns op's error itself.
//
// op should return when its context ends; that context carries the attempt's timeout. Do waits
// until op returns. Do never hedges, even if the policy does, because op would run on two
// goroutines and race on the variables that it captures. Use DoValue for that.
//
// Do assumes that op may be repeated, unless WithIdempotency on ctx says otherwise. This does not
// apply to the requests that op makes. If httpx or grpcx gave up the last of these after retries,
// or because the server said "do not retry", an error of op ends the call, so that only one layer
// retries. A classifier of the policy overrides this.
//
// Retries after an error that no classifier knows are paid for from a small separate budget. Use
// WithPermanent to name the errors that mean "not there", such as sql.ErrNoRows. Do panics if p is
// nil.
func Do(ctx context.Context, p *Policy, op func(context.Context) error) error {
	d := &p.drive
	if !d.Fast || !p.place.InUse() || ctx.Err() != nil || layer.Involved(ctx) {
		a := drive.Run(ctx, &p.current().drive, operation(op), drive.Options{Operation: true})
		return a.Error()
	}
	// The fast path: a call whose first attempt succeeds needs only its budget.
	f := call.First{Permit: d.Budget.Begin(time.Time{})}
	err := op(ctx)
	if err == nil {
		d.Budget.End(time.Time{}, f.Permit, budget.Alive)
		if d.Spare != nil {
			d.Spare.Refill()
		}
		return nil
	}
	a := drive.Resume(ctx, d, operation(op), drive.Options{Operation: true}, f, struct{}{}, err)
	return a.Error()
}

// DoValue runs an operation that returns a value, as Do runs one that returns none. If the policy
// hedges, op is called again on another goroutine while it is still running, so it must not share
// memory with itself; attempts that lose are canceled and have returned before DoValue does, and
// what they return is dropped. The context of the attempt that won is canceled when DoValue
// returns if the attempt was hedged or timed. When the call fails, the value is the last
// attempt's, or zero if the caller gave up while the call waited.
func DoValue[T any](ctx context.Context, p *Policy, op func(context.Context) (T, error)) (T, error) {
	d := &p.drive
	if !d.Fast || !p.place.InUse() || ctx.Err() != nil || layer.Involved(ctx) {
		o := drive.Options{Operation: true, Hedge: declared(ctx) != NotIdempotent}
		a := drive.Run(ctx, &p.current().drive, valueOperation[T](op), o)
		return a.Value, a.Error()
	}
	// The fast path, as in Do.
	f := call.First{Permit: d.Budget.Begin(time.Time{})}
	v, err := op(ctx)
	if err == nil {
		d.Budget.End(time.Time{}, f.Permit, budget.Alive)
		if d.Spare != nil {
			d.Spare.Refill()
		}
		return v, nil
	}
	a := drive.Resume(ctx, d, valueOperation[T](op), drive.Options{Operation: true}, f, v, err)
	return a.Value, a.Error()
}

// operation implements drive.Work for the operation of Do.
type operation func(context.Context) error

func (op operation) Send(ctx context.Context, _ int, _ bool) (struct{}, error) {
	return struct{}{}, op(ctx)
}

func (operation) Classify(ctx context.Context, p *drive.Policy, r drive.Result[struct{}]) Outcome {
	return classify(ctx, p, r.Err, r.Ended, r.Inside)
}

func (operation) Discard(struct{}, error) {}

func (operation) Keep(v struct{}, cancel context.CancelFunc) struct{} {
	cancel()
	return v
}

// valueOperation implements drive.Work for the operation of DoValue.
type valueOperation[T any] func(context.Context) (T, error)

func (op valueOperation[T]) Send(ctx context.Context, _ int, _ bool) (T, error) { return op(ctx) }

func (valueOperation[T]) Classify(ctx context.Context, p *drive.Policy, r drive.Result[T]) Outcome {
	return classify(ctx, p, r.Err, r.Ended, r.Inside)
}

func (valueOperation[T]) Discard(T, error) {}

func (valueOperation[T]) Keep(v T, cancel context.CancelFunc) T {
	cancel()
	return v
}

// classify returns the outcome of an operation. ended is set if the attempt's timeout has passed;
// inside records the calls made in the attempt.
func classify(ctx context.Context, p *drive.Policy, err error, ended bool, inside *layer.Attempt) Outcome {
	if err == nil {
		return Outcome{}
	}
	var o Outcome
	if ended && ofContext(err) {
		o = cutOff(err)
	} else if o = p.Classify(err); o.Class == Transient && !p.Explicit && inside.Exhausted() {
		o = Outcome{Class: Rejected} // as Classify does if the call inside returns an *Error
	} else if ended && o.Class != Rejected {
		o = Outcome{Class: Timeout, Forbidden: o.Forbidden, After: o.After}
	}
	if declared(ctx) == NotIdempotent {
		o = drive.RequireIdempotent(o, false)
	}
	return o
}

// ofContext reports whether the end of the operation's context caused err. A call inside it may
// have stopped for another reason just before.
func ofContext(err error) bool {
	if inner, ok := errors.AsType[*Error](err); ok {
		return inner != nil && inner.Ended != nil
	}
	return errors.Is(err, timeout.ErrAttempt) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// cutOff returns the outcome of an operation that the attempt's timeout ended with err.
func cutOff(err error) Outcome {
	var m marks
	m.find(err)
	o := Outcome{Class: Timeout, After: m.after}
	if m.permanent { // marked Permanent nevertheless
		o.Forbidden = ReasonRejected
	}
	return o
}
