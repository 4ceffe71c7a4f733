package drive

import (
	"context"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
)

// Run makes a call: attempts, waits and hedges as the policy says. The first case applies:
//
//   - The context has ended: start builds a call.Call, which stops before the first attempt.
//   - The call may be hedged: it is a race (race.go), whose attempts run side by side.
//   - The first attempt may be refused (the budget is a Gate) or delayed (a server has asked other
//     calls to wait): start as well.
//   - Else the first attempt is made without a call.Call (type first), because a call that
//     succeeds at once needs none. After a failure, afterFirst builds the call.Call and continues.
func Run[T any](ctx context.Context, p *Policy, w Work[T], o Options) Answer[T] {
	switch {
	case ctx.Err() != nil:
		return start(ctx, p, w, o)
	case o.Hedge && p.Hedges():
		return runRace(ctx, p, w, o)
	case p.gated || p.pause.Active():
		return start(ctx, p, w, o)
	}
	f := first[T]{p: p, w: w, sent: p.Begin(), open: true}
	defer f.close()
	f.result.attempt(ctx, ctx, p, w, o, 1, p.attemptTimeout())
	if f.result.outcome.Class == call.Success {
		return f.succeed(ctx)
	}
	f.open = false
	return afterFirst(ctx, p, w, o, f.sent, &f.result)
}

// first is a first attempt without a call.Call.
type first[T any] struct {
	p      *Policy
	w      Work[T]
	sent   call.First
	open   bool // sent.Permit has not been ended
	result result[T]
}

// succeed finishes a call whose first attempt succeeded.
func (f *first[T]) succeed(ctx context.Context) Answer[T] {
	var now time.Time
	if f.p.clock {
		now = time.Now()
	}
	f.open = false
	f.p.Succeed(now, f.sent)
	if f.p.Observer != nil {
		f.p.AttemptDone(ctx, call.Attempt{
			Number: 1, Sent: f.sent.Sent, Took: took(f.sent.Sent, now), Outcome: f.result.outcome,
			Status: f.result.status, Err: f.result.err,
		})
		f.p.CallDone(ctx, call.Report{
			Destination: f.p.Destination, Reason: call.ReasonSuccess, Attempts: 1, Answer: 1, Err: f.result.err,
			Budget: f.p.Budget,
		})
	}
	return Answer[T]{Value: f.result.keep(f.w), Err: f.result.err}
}

// close ends the permit and discards the result if they are still held: after a panic or
// runtime.Goexit in the attempt or in a user's hook.
func (f *first[T]) close() {
	if f.open {
		f.p.Budget.End(time.Now(), f.sent.Permit, budget.None)
	}
	f.result.discard(f.w)
}

// sequence drives a call whose attempts are made one after the other, all on the caller's
// goroutine.
type sequence[T any] struct {
	ctx     context.Context
	p       *Policy
	w       Work[T]
	o       Options
	call    call.Call
	now     time.Time
	waited  time.Duration // Report().Waited when the latest attempt was sent
	result  result[T]     // of the latest attempt; kept until the next send, as the call may stop with it
	history History
}

// start makes a call whose first attempt may be refused or delayed.
func start[T any](ctx context.Context, p *Policy, w Work[T], o Options) Answer[T] {
	s := sequence[T]{ctx: ctx, p: p, w: w, o: o, now: time.Now()}
	s.call = p.Start(s.now, o.of(ctx))
	defer s.close()
	return s.loop()
}

// afterFirst continues a call whose first attempt, sent without a call.Call, failed with r.
func afterFirst[T any](
	ctx context.Context, p *Policy, w Work[T], o Options, sent call.First, r *result[T],
) Answer[T] {
	s := sequence[T]{ctx: ctx, p: p, w: w, o: o, now: time.Now(), result: *r}
	r.held = false // the sequence discards it or returns it
	s.call = p.Resume(s.now, sent, o.of(ctx))
	defer s.close()
	s.done(call.Step{Attempt: 1}, sent.Sent, 0)
	return s.loop()
}

// Resume continues a call whose first attempt was made on ctx outside this package, after Begin,
// and failed with v and err.
func Resume[T any](ctx context.Context, p *Policy, w Work[T], o Options, sent call.First, v T, err error) Answer[T] {
	s := sequence[T]{ctx: ctx, p: p, w: w, o: o, now: time.Now(), result: result[T]{value: v, err: err, held: true}}
	s.call = p.Resume(s.now, sent, o.of(ctx))
	defer s.close()
	s.result.classify(ctx, nil, p, w, Result[T]{Attempt: 1}, 0)
	s.done(call.Step{Attempt: 1}, sent.Sent, 0)
	return s.loop()
}

// loop does what the call asks for until it stops.
func (s *sequence[T]) loop() Answer[T] {
	for {
		s.stopIfEnded()
		switch step := s.call.Next(s.now); step.Op {
		case call.Send:
			s.send(step)
		case call.Wait:
			s.result.hold(s.w)
			sleep(s.ctx, step.At)
			s.now = time.Now()
		case call.Stop:
			return s.finish(step.Reason)
		}
	}
}

// send makes the attempt that the call asks for, and reports its outcome.
func (s *sequence[T]) send(step call.Step) {
	sent := s.now
	s.result.discard(s.w)
	actx := s.o.resend(s.ctx, step.Attempt)
	s.result.attempt(s.ctx, actx, s.p, s.w, s.o, step.Attempt, step.Timeout)
	var waited time.Duration
	if s.p.Observer != nil {
		total := s.call.Report().Waited
		waited, s.waited = total-s.waited, total
	}
	if s.p.clock || s.result.outcome.Class != call.Success {
		s.now = time.Now() // otherwise no observer, limit or budget needs the end time of a success
	}
	s.done(step, sent, waited)
}

// done reports the outcome of an attempt to the call and then to the observer.
func (s *sequence[T]) done(step call.Step, sent time.Time, waited time.Duration) {
	o := s.result.outcome
	if o.Class != call.Success {
		note(&s.history, s.w, call.Failure{Attempt: step.Attempt, Class: o.Class, Status: s.result.status, Err: s.result.err})
	}
	s.call.Done(s.now, step.Attempt, o)
	delay, retrying := s.call.Planned()
	if s.p.Observer != nil {
		s.p.AttemptDone(s.ctx, call.Attempt{
			Number: step.Attempt, Kind: step.Kind, Sent: sent, Took: took(sent, s.now), Waited: waited, Outcome: o,
			Status: s.result.status, Err: s.result.err, Retrying: retrying, Delay: delay,
		})
	}
	if retrying && delay == 0 {
		s.now = time.Now() // the observer and the backoff took time; after a wait, loop reads the clock
	}
}

// stopIfEnded cancels a call whose context has ended, unless it has stopped, and discards its
// result.
func (s *sequence[T]) stopIfEnded() {
	if s.ctx.Err() != nil && s.call.Report().Reason == call.ReasonNone {
		s.now = time.Now() // the observer and the backoff took time
		s.call.Cancel(s.now, Ended(s.ctx))
		s.result.discard(s.w)
	}
}

// finish returns the answer of a call that has stopped.
func (s *sequence[T]) finish(reason call.Reason) Answer[T] {
	if s.p.Observer != nil {
		s.p.CallDone(s.ctx, report(s.ctx, &s.call, s.result.err))
	}
	a := Answer[T]{Value: s.result.keep(s.w), Err: s.result.err}
	if reason != call.ReasonSuccess {
		a.Stopped = s.p.Stopped(s.ctx, &s.call, s.result.err, s.history.Failures())
	}
	return a
}

// close cancels the call and discards its result if they are still open: after a panic or
// runtime.Goexit in an attempt or in a user's hook.
func (s *sequence[T]) close() {
	s.call.Cancel(s.now, call.ReasonCanceled) // does nothing after a Stop
	s.result.discard(s.w)
}

// took returns how long an attempt took, 0 if its send was not timed.
func took(sent, now time.Time) time.Duration {
	if sent.IsZero() {
		return 0
	}
	return now.Sub(sent)
}
