package retry

import (
	"context"
	"errors"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// Do calls op until it succeeds or the policy says to stop. It returns nil or an *Error, which unwraps to op's last
// error and to the context's error if that ended the call. op should honour the context it is given, which carries
// the attempt's timeout; Do returns only when op has. Do never hedges, whatever the policy says: op would run twice
// at once, and race on what it captures. Use DoValue for that.
//
// Passing op says that it may be repeated; WithIdempotency on ctx withdraws that. It says nothing of the requests that
// op makes. If the last of these was made by httpx or grpcx and was given up after retries, or because a server asked
// for none, an error of op ends the call: one layer retries. A classifier of the policy's own decides otherwise.
//
// Do panics if p is nil.
func Do(ctx context.Context, p *Policy, op func(context.Context) error) error {
	p = p.current()
	if !p.plain || ctx.Err() != nil || layer.Involved(ctx) {
		return doOther(ctx, p, op)
	}
	f := First{permit: p.bucket.Begin(time.Time{})}
	err := op(ctx)
	if err == nil {
		p.bucket.End(time.Time{}, f.permit, budget.Alive)
		return nil
	}
	return doContinue(ctx, p, op, f, &result[struct{}]{err: err}, nil)
}

// doOther is Do for a first attempt that needs something, has another budget, or is not made.
func doOther(ctx context.Context, p *Policy, op func(context.Context) error) error {
	if p.light && ctx.Err() == nil && !layer.Involved(ctx) {
		return doTimed(ctx, p, op)
	}
	w := Work[operation, struct{}]{State: op, Send: operation.send, errors: p}
	_, err := runInTurn(ctx, p, &w)
	return err
}

// doTimed is Do for a first attempt that needs a timeout, or nothing, where DoValue would hedge.
func doTimed(ctx context.Context, p *Policy, op func(context.Context) error) error {
	f := First{permit: p.begin(time.Time{})}
	actx, cancel := timeout.Attempt(ctx, p.attemptTimeout())
	defer cancel()
	err := op(actx)
	if err == nil {
		p.end(time.Time{}, f.permit, budget.Alive)
		return nil
	}
	return doContinue(ctx, p, op, f, &result[struct{}]{err: err, cancel: cancel}, actx)
}

// doContinue goes on after a first attempt that failed; actx is its own context if it was timed.
func doContinue(
	ctx context.Context, p *Policy, op func(context.Context) error, f First, r *result[struct{}], actx context.Context,
) error {
	w := Work[operation, struct{}]{State: op, Send: operation.send, errors: p}
	r.outcome = p.sort(ctx, actx, nil, r.err)
	_, err := inTurn(ctx, p, &w, f, r)
	return err
}

// operation is what Do is given.
type operation func(context.Context) error

func (op operation) send(ctx context.Context, _ int, _ bool) (struct{}, error) {
	return struct{}{}, op(ctx)
}

// DoValue is Do for an operation that returns a value. If the policy hedges, op is called again on another goroutine
// while it is still running, so it must not share memory with itself; attempts that lose are cancelled and have
// returned before DoValue does, and what they return is dropped. The context of the attempt that won is cancelled
// when DoValue returns if the attempt was hedged or timed. When the call fails, the value is the last attempt's,
// or zero if the caller gave up while the call waited.
func DoValue[T any](ctx context.Context, p *Policy, op func(context.Context) (T, error)) (T, error) {
	p = p.current()
	if !p.plain || ctx.Err() != nil || layer.Involved(ctx) {
		return doValueOther(ctx, p, op)
	}
	f := First{permit: p.bucket.Begin(time.Time{})}
	v, err := op(ctx)
	if err == nil {
		p.bucket.End(time.Time{}, f.permit, budget.Alive)
		return v, nil
	}
	return doValueContinue(ctx, p, op, f, &result[T]{value: v, err: err}, nil)
}

// doValueOther is DoValue for a first attempt that needs something, has another budget, or is not made.
func doValueOther[T any](ctx context.Context, p *Policy, op func(context.Context) (T, error)) (T, error) {
	if p.light && p.hedge == nil && ctx.Err() == nil && !layer.Involved(ctx) {
		return doValueTimed(ctx, p, op)
	}
	return doValueRun(ctx, p, op)
}

func doValueRun[T any](ctx context.Context, p *Policy, op func(context.Context) (T, error)) (T, error) {
	w := Work[valueOperation[T], T]{State: op, Send: valueOperation[T].send, errors: p}
	w.Hedge = p.hedge != nil && IdempotencyFrom(ctx) != NotIdempotent
	return Run(ctx, p, &w)
}

// doValueTimed is DoValue for a first attempt that needs a timeout and nothing else.
func doValueTimed[T any](ctx context.Context, p *Policy, op func(context.Context) (T, error)) (T, error) {
	f := First{permit: p.begin(time.Time{})}
	actx, cancel := timeout.Attempt(ctx, p.attemptTimeout())
	defer cancel()
	v, err := op(actx)
	if err == nil {
		p.end(time.Time{}, f.permit, budget.Alive)
		return v, nil
	}
	return doValueContinue(ctx, p, op, f, &result[T]{value: v, err: err, cancel: cancel}, actx)
}

func doValueContinue[T any](
	ctx context.Context, p *Policy, op func(context.Context) (T, error), f First, r *result[T], actx context.Context,
) (T, error) {
	w := Work[valueOperation[T], T]{State: op, Send: valueOperation[T].send, errors: p}
	r.outcome = p.sort(ctx, actx, nil, r.err)
	return inTurn(ctx, p, &w, f, r)
}

// valueOperation is what DoValue is given.
type valueOperation[T any] func(context.Context) (T, error)

func (op valueOperation[T]) send(ctx context.Context, _ int, _ bool) (T, error) { return op(ctx) }

// sort says what an operation's error means, which is not nil, as Work.sort does; inside is what is known of the calls
// made in the attempt.
func (p *Policy) sort(ctx, actx context.Context, inside *layer.Attempt, err error) Outcome {
	if ctx.Err() != nil {
		return Outcome{Class: Canceled}
	}
	var o Outcome
	if late := lapsed(actx, err); late && ofContext(err) {
		o = cutOff(err)
	} else if o = p.classify(err); o.Class == Transient && p.classifier == nil && inside.Exhausted() {
		o = Outcome{Class: Rejected} // as Classify has it if the call inside ended with an *Error
	} else if late && o.Class != Rejected {
		o = Outcome{Class: Timeout}
	}
	return o.Limit(IdempotencyFrom(ctx) != NotIdempotent)
}

// ofContext reports whether an error is what became of an operation whose context ended. A call inside it may have
// stopped for a reason of its own just before.
func ofContext(err error) bool {
	if inner := (*Error)(nil); errors.As(err, &inner) {
		return inner != nil && inner.Ended != nil
	}
	return errors.Is(err, timeout.ErrAttempt) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// cutOff is the outcome of an operation that the attempt's timeout has ended.
func cutOff(err error) Outcome {
	o := Outcome{Class: Timeout}
	var m marks
	if m.find(err); m.permanent {
		return o.Forbid(ReasonRejected)
	}
	return o
}
