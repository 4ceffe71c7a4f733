package retry

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
)

// race drives a call whose attempts may run side by side: the first on the caller's goroutine, the others on one
// each. Until that fails or a hedge is due it is all there is, beside a timer; then there is a contest: whoever ends an
// attempt tells its Call, under the lock, and sets going what it asks for. All have returned before the caller does: a
// loser may still be reading the caller's request.
type race[S, T any] struct {
	ctx   context.Context
	p     *Policy
	w     Work[S, T]
	begun First
	delay time.Duration      // of the first hedge
	first context.CancelFunc // cancels the first attempt

	mu          sync.Mutex
	*contest[T]             // nil: the first attempt is alone
	timer       *time.Timer // runs fire when the next attempt is due
	over        bool        // the first attempt was alone and succeeded, or the Call has said Stop
	delivered   bool        // the caller gets the answer

	others sync.WaitGroup // every goroutine but the caller's, and the armed timer
}

// contest is what a race is about.
type contest[T any] struct {
	call   Call
	h      history
	live   []racer       // the attempts under way
	room   [2]racer      // for live: most have no more
	ended  chan struct{} // closed when over; nil: nobody waits for it yet
	answer result[T]     // of the attempt whose answer is the call's
	broken *PanicError   // an attempt that did not return
}

type racer struct {
	attempt int
	cancel  context.CancelFunc
}

func runRace[S, T any](ctx context.Context, p *Policy, w *Work[S, T]) (v T, err error) {
	if stopped := p.admitFirst(ctx); stopped != nil {
		return v, stopped
	}
	r := &race[S, T]{ctx: ctx, p: p, w: *w, begun: p.Begin()}
	sent := r.begun.sent
	defer r.close()
	var res result[T]
	defer dispose(&r.w, &res)
	actx := r.open()
	attempt(actx, actx, &r.w, 1, p.attemptTimeout(), &res)
	if res.outcome.Class == Success && r.alone() {
		res.cancel = both(res.cancel, r.first)
		r.others.Wait()
		v, err = succeed(ctx, p, w, r.begun, &res)
		r.delivered = true
		return v, err
	}
	if !r.came(Step{Kind: budget.First, Attempt: 1}, sent, 0, &res) {
		r.wait()
	}
	r.others.Wait()
	if r.broken != nil {
		panic(r.broken)
	}
	v, err = finish(ctx, p, w, &r.call, &r.h, &r.answer)
	r.delivered = true
	return v, err
}

// open begins the first attempt and sets the first hedge's timer.
func (r *race[S, T]) open() context.Context {
	r.delay = r.p.hedge.Timeout()
	r.mu.Lock() // the timer may be due before it is there
	defer r.mu.Unlock()
	if r.delay > 0 {
		r.after(r.delay)
	}
	actx, cancel := context.WithCancel(r.ctx)
	r.first = cancel
	return actx
}

// alone reports whether the first attempt, which has succeeded, was the only one. That ends the race.
func (r *race[S, T]) alone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.contest != nil {
		return false
	}
	r.finish()
	return true
}

// engage makes the contest, which takes over from the first attempt. It is called with the lock held.
func (r *race[S, T]) engage(now time.Time) {
	if r.contest != nil {
		return
	}
	r.contest = new(contest[T])
	r.live = r.room[:0]
	if r.first != nil { // else a user's Limit has panicked before
		r.live = append(r.live, racer{1, r.first})
	}
	deadline, _ := r.ctx.Deadline()
	r.call.resume(r.p, now, r.begun, deadline, true)
}

// wait returns when the race is over, and ends it if the caller gives up.
func (r *race[S, T]) wait() {
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
		r.giveUp()
	}
}

// begin makes the context of another attempt that is about to be sent, cancelled when the race is over.
func (r *race[S, T]) begin(attempt int) context.Context {
	actx, cancel := context.WithCancel(r.ctx)
	r.live = append(r.live, racer{attempt, cancel})
	return actx
}

// advance does what the Call asks for now. It is called with the lock held.
func (r *race[S, T]) advance(now time.Time) {
	for !r.over {
		if r.ctx.Err() != nil {
			if r.call.n == 0 { // else what is under way may yet be an answer
				r.cancel()
			}
			return
		}
		before := r.call.waited
		step := r.call.Next(now)
		switch step.Op {
		case Send:
			actx := r.begin(step.Attempt)
			r.others.Add(1)
			go r.runAside(actx, step, now, r.call.waited-before)
		case Wait:
			r.arm(now, step.At)
			return
		case Stop:
			r.finish()
		}
	}
}

// runAside is run on a goroutine of its own.
func (r *race[S, T]) runAside(actx context.Context, s Step, sent time.Time, waited time.Duration) {
	defer r.others.Done()
	returned := false
	defer r.failUnless(&returned)
	r.run(actx, s, sent, waited)
	returned = true
}

// arm lets advance be called again at the given time; the zero time means not before an attempt ends.
func (r *race[S, T]) arm(now, at time.Time) {
	r.disarm()
	if at.IsZero() {
		return
	}
	r.after(at.Sub(now))
}

func (r *race[S, T]) after(d time.Duration) {
	r.others.Add(1)
	r.timer = time.AfterFunc(d, r.fire)
}

func (r *race[S, T]) disarm() {
	if r.timer != nil && r.timer.Stop() {
		r.others.Done()
	}
	r.timer = nil
}

// fire is run on a goroutine of its own, and may ask a user's Limit, Budget or source of random numbers.
func (r *race[S, T]) fire() {
	defer r.others.Done()
	returned := false
	defer r.failUnless(&returned)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over {
		r.hedge(time.Now())
	}
	returned = true
}

// hedge sends what is due.
func (r *race[S, T]) hedge(now time.Time) {
	if r.contest == nil && r.begun.sent.IsZero() {
		r.begun.sent = now.Add(-r.delay) // nobody has looked at the clock then
	}
	r.engage(now)
	r.advance(now)
}

// run makes one attempt but the first, and reports whether its end ended the race.
func (r *race[S, T]) run(actx context.Context, s Step, sent time.Time, waited time.Duration) (answers bool) {
	var res result[T]
	defer dispose(&r.w, &res)
	attempt(actx, r.w.resend(actx, s.Attempt), &r.w, s.Attempt, s.Timeout, &res)
	return r.came(s, sent, waited, &res)
}

// came tells the Call what an attempt came to, and reports whether that ended the race.
func (r *race[S, T]) came(s Step, sent time.Time, waited time.Duration, res *result[T]) (answers bool) {
	var now time.Time
	if res.outcome.Class != Success || r.p.clock { // when a success ended, nobody may want to know
		now = time.Now()
	}
	a := Attempt{Number: s.Attempt, Kind: s.Kind, Sent: sent, Waited: waited}
	answers = r.land(now, a, res)
	r.p.observeAttempt(r.ctx, a, now, res.outcome, res.err)
	if answers {
		return true
	}
	// Before the next attempt is sent, so that one connection is enough. The attempt is still live: if another wins
	// meanwhile, that cancels what is being drained here.
	discard(&r.w, res)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.take(s.Attempt)()
	r.advance(time.Now())
	return false
}

// land reports whether the attempt's result is the answer of the call.
func (r *race[S, T]) land(now time.Time, a Attempt, res *result[T]) (answers bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || r.ctx.Err() != nil && res.outcome.Class != Success && res.outcome.Class != Rejected {
		res.outcome = Outcome{Class: Canceled}
	}
	if r.over {
		return false
	}
	if !now.IsZero() {
		r.engage(now)
		r.call.tell(now)
	}
	if res.outcome.Class != Success {
		r.h.add(a.Number, res.outcome.Class, res.err)
	}
	r.call.done(a.Number, res.outcome)
	if r.call.reason == ReasonNone {
		r.answer.err = res.err // for a call that is given up while it waits
		return false
	}
	r.h.answerHedged = a.Kind == budget.Hedge
	r.answers(a.Number, res)
	return true
}

// answers ends the race with the call's answer.
func (r *race[S, T]) answers(attempt int, res *result[T]) {
	res.cancel = both(res.cancel, r.take(attempt))
	r.answer, res.held = *res, false
	r.finish()
}

func both(a, b context.CancelFunc) context.CancelFunc {
	if a == nil {
		return b
	}
	return func() { a(); b() }
}

// take takes the attempt off those under way and returns what cancels its context.
func (r *race[S, T]) take(attempt int) context.CancelFunc {
	i := slices.IndexFunc(r.live, func(l racer) bool { return l.attempt == attempt })
	cancel := r.live[i].cancel
	r.live = slices.Delete(r.live, i, i+1)
	return cancel
}

// finish cancels all attempts that are still under way: they have lost.
func (r *race[S, T]) finish() {
	if r.over {
		return
	}
	r.over = true
	r.disarm()
	if r.contest == nil {
		return
	}
	for _, l := range r.live {
		l.cancel()
	}
	if r.ended != nil {
		close(r.ended)
	}
}

func (r *race[S, T]) giveUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel()
}

func (r *race[S, T]) cancel() {
	if !r.over {
		now := time.Now()
		r.engage(now)
		r.call.Cancel(now)
		r.finish()
	}
}

// close is for the caller's goroutine when an attempt has panicked: nothing may be left of the race.
func (r *race[S, T]) close() {
	if r.delivered {
		return
	}
	r.giveUp()
	r.others.Wait()
	if r.contest != nil {
		dispose(&r.w, &r.answer)
	}
}
