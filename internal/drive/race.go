package drive

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/evenkeel-go/evenkeel/call"
)

// race drives a call whose attempts may run side by side: the first on the caller's goroutine, the
// others on one each. The goroutine of an attempt that has ended reports it to the Call, under the
// lock, and does what the Call asks for. All attempts have returned before the caller's goroutine
// does: a loser may still be reading the caller's request.
type race[T any] struct {
	ctx context.Context
	p   *Policy
	w   Work[T]
	o   Options

	mu      sync.Mutex
	call    call.Call
	waited  time.Duration // Report().Waited when the latest attempt was sent
	live    []flying      // the attempts under way
	room    [2]flying     // the first array of live: most races need no other
	answer  result[T]     // of the attempt whose answer is the call's if it stops now
	history History
	timer   *time.Timer   // runs fire when the call wants to go on
	over    bool          // the call has stopped
	gaveUp  bool          // it was canceled: the caller gave up, or an attempt did not return
	ended   chan struct{} // closed when over; nil: the caller's goroutine does not wait for it
	broken  *PanicError   // the first panic or runtime.Goexit on another goroutine

	delivered bool           // the caller gets the answer
	others    sync.WaitGroup // every goroutine but the caller's, and the armed timer
}

// flying is an attempt under way, with the cancel function of its context.
type flying struct {
	attempt int
	cancel  context.CancelFunc
}

// racer is an attempt that is about to be made.
type racer struct {
	step   call.Step
	sent   time.Time
	waited time.Duration
	ctx    context.Context
	cancel context.CancelFunc
}

// runRace makes a call whose attempts may run side by side.
func runRace[T any](ctx context.Context, p *Policy, w Work[T], o Options) Answer[T] {
	r := &race[T]{ctx: ctx, p: p, w: w, o: o}
	defer r.close()
	if first, ok := r.start(); ok {
		var res result[T]
		r.run(first, &res)
		r.wait()
	}
	r.others.Wait()
	if r.broken != nil {
		panic(r.broken)
	}
	return r.finish()
}

// start returns the first attempt, for the caller's goroutine, and sets the timer of its hedge.
// It reports false if there is none.
func (r *race[T]) start() (first racer, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.live = r.room[:0]
	r.call = r.p.Start(now, r.o.of(r.ctx))
	step := r.call.Next(now)
	for step.Op == call.Wait { // no other goroutine needs the lock yet
		sleep(r.ctx, step.At)
		if r.ctx.Err() != nil {
			r.cancel()
			return racer{}, false
		}
		now = time.Now()
		step = r.call.Next(now)
	}
	if step.Op != call.Send {
		r.stop()
		return racer{}, false
	}
	first = r.launch(step, now)
	r.advance(now)
	return first, true
}

// advance does what the call asks for at now. Requires that r.mu is held.
func (r *race[T]) advance(now time.Time) {
	for !r.over {
		if r.ctx.Err() != nil {
			if len(r.live) == 0 { // otherwise an attempt under way may still answer
				r.cancel()
			}
			return
		}
		switch step := r.call.Next(now); step.Op {
		case call.Send:
			x, previous := r.launch(step, now), r.answer
			r.answer = result[T]{err: previous.err} // runInBackground discards the value
			r.others.Add(1)
			go r.runInBackground(x, previous)
		case call.Wait:
			r.answer.hold(r.w)
			r.arm(step.At)
			return
		case call.Stop:
			r.stop()
		}
	}
}

// launch registers an attempt that is about to be sent, with a context that is canceled when the
// race is over. Requires that r.mu is held.
func (r *race[T]) launch(step call.Step, now time.Time) racer {
	total := r.call.Report().Waited
	x := racer{step: step, sent: now, waited: total - r.waited}
	r.waited = total
	x.ctx, x.cancel = context.WithCancel(r.ctx)
	r.live = append(r.live, flying{step.Attempt, x.cancel})
	return x
}

// runInBackground makes an attempt on a goroutine of its own. previous is no longer the call's
// answer: it is discarded first, so that one connection is enough.
func (r *race[T]) runInBackground(x racer, previous result[T]) {
	defer r.others.Done()
	returned := false
	defer r.failUnless(&returned)
	var res result[T]
	previous.discard(r.w)
	r.run(x, &res)
	returned = true
}

// run makes one attempt, reports its outcome to the call, and does what the call then asks for.
func (r *race[T]) run(x racer, res *result[T]) {
	defer res.discard(r.w)
	actx := r.o.resend(x.ctx, x.step.Attempt)
	res.attempt(x.ctx, actx, r.p, r.w, r.o, x.step.Attempt, x.step.Timeout)
	now := time.Now()
	a := call.Attempt{
		Number: x.step.Attempt, Kind: x.step.Kind, Sent: x.sent, Took: now.Sub(x.sent), Waited: x.waited,
	}
	over := r.land(now, &a, x, res)
	if r.p.Observer != nil {
		r.p.AttemptDone(r.ctx, a)
	}
	if over {
		return
	}
	res.discard(r.w)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(time.Now())
}

// land reports the outcome of an attempt to the call, and reports whether the race is over. On
// return res holds the result to discard: the attempt's own, or that of an earlier attempt that it
// replaces. land completes a.
func (r *race[T]) land(now time.Time, a *call.Attempt, x racer, res *result[T]) (over bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.Status, a.Err = res.status, res.err
	if r.over {
		res.outcome = call.Outcome{Class: call.Canceled}
		switch reason := r.call.Report().Reason; reason {
		case call.ReasonCanceled, call.ReasonDeadline:
			res.outcome.Forbidden = reason
		default:
			a.Lost = true
		}
		a.Outcome = res.outcome
		return true
	}
	if r.ctx.Err() != nil && res.outcome.Class != call.Success && res.outcome.Class != call.Rejected {
		res.outcome = canceled(r.ctx)
	}
	o := res.outcome
	a.Outcome = o
	res.cancel = both(res.cancel, x.cancel)
	if o.Class != call.Success {
		note(&r.history, r.w, call.Failure{Attempt: x.step.Attempt, Class: o.Class, Status: a.Status, Err: a.Err})
	}
	r.call.Done(now, x.step.Attempt, o)
	r.live = slices.DeleteFunc(r.live, func(l flying) bool { return l.attempt == x.step.Attempt })
	report := r.call.Report()
	if report.Answer == x.step.Attempt {
		*res, r.answer = r.answer, *res
	}
	if report.Reason != call.ReasonNone {
		r.stop()
	}
	a.Delay, a.Retrying = r.call.Planned()
	return r.over
}

// both returns a function that calls a, if that is not nil, and b.
func both(a, b context.CancelFunc) context.CancelFunc {
	if a == nil {
		return b
	}
	return func() { a(); b() }
}

// arm sets the timer that calls advance at the given time; the zero time sets none. Requires that
// r.mu is held.
func (r *race[T]) arm(at time.Time) {
	r.disarm()
	if !at.IsZero() {
		r.others.Add(1)
		r.timer = time.AfterFunc(time.Until(at), r.fire)
	}
}

func (r *race[T]) disarm() {
	if r.timer != nil && r.timer.Stop() {
		r.others.Done()
	}
	r.timer = nil
}

// fire calls advance when the timer expires. It runs on a goroutine of its own, where a user's
// Limit, Budget or source of random numbers may panic.
func (r *race[T]) fire() {
	defer r.others.Done()
	returned := false
	defer r.failUnless(&returned)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(time.Now())
	returned = true
}

// wait returns when the race is over, and ends it if the caller gives up.
func (r *race[T]) wait() {
	r.mu.Lock()
	over := r.over
	if !over {
		r.ended = make(chan struct{})
	}
	r.mu.Unlock()
	if over {
		return
	}
	select {
	case <-r.ended:
	case <-r.ctx.Done():
		r.mu.Lock()
		defer r.mu.Unlock()
		r.cancel()
	}
}

// cancel ends the race because the caller gave up, or because an attempt did not return. Requires
// that r.mu is held.
func (r *race[T]) cancel() {
	if !r.over {
		defer r.stop() // a user's Budget or Limit may panic
		r.gaveUp = true
		r.call.Cancel(time.Now(), Ended(r.ctx))
	}
}

// stop cancels all attempts that are still under way: they have lost. Requires that r.mu is held.
func (r *race[T]) stop() {
	if r.over {
		return
	}
	r.over = true
	r.disarm()
	for _, l := range r.live {
		l.cancel()
	}
	if r.ended != nil {
		close(r.ended)
	}
}

// finish returns the answer of a race that is over and whose attempts have returned.
func (r *race[T]) finish() Answer[T] {
	if r.gaveUp {
		r.answer.discard(r.w)
	}
	if r.p.Observer != nil {
		r.p.CallDone(r.ctx, report(r.ctx, &r.call, r.answer.err))
	}
	a := Answer[T]{Value: r.answer.keep(r.w), Err: r.answer.err}
	r.delivered = true
	if r.call.Report().Reason != call.ReasonSuccess {
		a.Stopped = r.p.Stopped(r.ctx, &r.call, r.answer.err, r.history.Failures())
	}
	return a
}

// close ends the race after a panic or runtime.Goexit on the caller's goroutine, so that nothing
// is left behind.
func (r *race[T]) close() {
	if r.delivered {
		return
	}
	func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.cancel()
	}()
	r.others.Wait()
	r.answer.discard(r.w)
}
