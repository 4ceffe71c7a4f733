package retry

import (
	"math"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
)

const (
	// maxFree is how often a call may be resent for nothing after a live connection handed it back. Behind a
	// proxy that closes connections under load once is not enough, and without a bound it would be a loop.
	maxFree = 2
	// hintSpread is the share of a wait the server asked for that is added at random, so that a thousand clients
	// told "2 seconds" do not come back together.
	hintSpread = 0.25
	// minHint is the shortest wait that counts as a hint: a server that asks for a nanosecond gets our own backoff.
	minHint = time.Millisecond
)

// Op is what a Step asks for.
type Op uint8

const (
	Send Op = iota + 1 // send an attempt now
	Wait               // wait until Step.At, or until an attempt ends, whichever is first
	Stop               // the call is over
)

// Step is what a driver must do next.
type Step struct {
	Op      Op
	Kind    budget.Kind   // Send: First, Retry or Hedge
	Attempt int           // Send: its number, from 1. Stop: the attempt whose answer is the call's, 0 if none was sent
	Timeout time.Duration // Send: what it may take, 0 for no limit; skip the timer if the deadline is sooner
	At      time.Time     // Wait: until when; zero: only a result moves it
	Reason  Reason        // Stop
}

// Call is the state of one call. It performs no I/O and has no clock, timer, goroutine, lock or context: it is told
// what happened and when, and says what to do next. A driver calls Next until it says Wait or Stop, carries out
// each Send, reports each attempt's end with Done, and calls Next again. Only one goroutine may use a Call at a
// time. A Call that is given up must be told with Cancel, or what it reserved from the budget is lost.
//
// A call's first attempt may stay outside it (Policy.Begin, then Policy.Resume only when it failed): that is how a
// call that succeeds at once costs nothing.
type Call struct {
	p        *Policy
	deadline time.Time

	inline [3]flight // the attempts under way, n in all; more than fit are in rest
	rest   []flight
	n      int

	sent   int  // attempts sent
	free   int  // of these: resent for nothing
	hedges int  // of these: hedges
	hedge  bool // this call may be hedged
	shut   bool // the budget or the deadline refused a hedge of the latest attempt

	pending bool // the next attempt is admitted, paid for, and due at due
	due     time.Time
	paid    budget.Permit

	held     budget.Permit // of the latest attempt
	lastSent time.Time
	idle     time.Time // since when no attempt is under way
	waited   time.Duration

	wait      int // of the latest backoff
	prev      time.Duration
	backoff   backoff.Strategy // this call's own, if the policy's is Stateful
	throttled backoff.Strategy

	closed Reason // no further attempt, whatever becomes of those under way
	reason Reason // why the call stopped
	answer int    // the attempt that ended last
}

// flight is an attempt under way.
type flight struct {
	attempt int
	permit  budget.Permit
	sent    time.Time // zero: unknown
}

// Start begins a call whose first attempt is not sent yet. A zero deadline means none. hedge says whether the
// driver is able to hedge it; it is hedged only if the policy says so too.
func (p *Policy) Start(deadline time.Time, hedge bool) Call {
	return Call{p: p, deadline: deadline, hedge: hedge && p.hedge != nil}
}

// Resume takes over a call after its first attempt, told to the budget by Begin, has come to something but a
// success; report that with Done(now, 1, …).
func (p *Policy) Resume(f First, deadline time.Time, hedge bool) Call {
	c := p.Start(deadline, hedge)
	c.launch(f.sent, f.permit)
	return c
}

// Next says what to do at time now. It may be called at any time and again: asking twice is harmless.
func (c *Call) Next(now time.Time) Step {
	switch {
	case c.reason != ReasonNone:
		return Step{Op: Stop, Attempt: c.answer, Reason: c.reason}
	case c.sent == 0:
		return c.first(now)
	case c.pending && now.Before(c.due):
		return Step{Op: Wait, At: c.due}
	case c.pending:
		c.pending = false
		return c.send(now, budget.Retry, c.paid)
	}
	return c.nextHedge(now)
}

func (c *Call) first(now time.Time) Step {
	if g := c.p.gate; g != nil && !g.Allow(now, c.p.random()) {
		c.reason = ReasonGate
		return Step{Op: Stop, Reason: ReasonGate}
	}
	return c.send(now, budget.First, c.p.budget.Begin(now))
}

// nextHedge is asked only while attempts are under way and none is pending.
func (c *Call) nextHedge(now time.Time) Step {
	if !c.hedge || c.shut || c.closed != ReasonNone || c.spent() {
		return Step{Op: Wait}
	}
	delay := c.p.hedge.Timeout()
	if delay <= 0 {
		return Step{Op: Wait}
	}
	if at := c.lastSent.Add(delay); now.Before(at) {
		return Step{Op: Wait, At: at}
	}
	if c.tooLate(now) {
		c.shut = true
		return Step{Op: Wait}
	}
	permit, ok := c.p.budget.Admit(now, budget.Hedge, budget.Silent, c.held)
	if !ok {
		c.shut = true
		return Step{Op: Wait}
	}
	c.hedges++
	return c.send(now, budget.Hedge, permit)
}

func (c *Call) send(now time.Time, kind budget.Kind, permit budget.Permit) Step {
	if c.n == 0 && c.sent > 0 && now.After(c.idle) {
		c.waited += now.Sub(c.idle)
	}
	c.launch(now, permit)
	return Step{Op: Send, Kind: kind, Attempt: c.sent, Timeout: c.p.attemptTimeout()}
}

func (c *Call) launch(now time.Time, permit budget.Permit) {
	c.sent++
	c.shut = false
	c.held, c.lastSent = permit, now
	f := flight{attempt: c.sent, permit: permit, sent: now}
	if c.n < len(c.inline) {
		c.inline[c.n] = f
	} else {
		c.rest = append(c.rest, f)
	}
	c.n++
}

// land takes an attempt off those under way.
func (c *Call) land(attempt int) (flight, bool) {
	for i := range c.n {
		f := c.at(i)
		if f.attempt != attempt {
			continue
		}
		found := *f
		*f = *c.at(c.n - 1)
		c.n--
		if len(c.rest) > 0 {
			c.rest = c.rest[:len(c.rest)-1]
		}
		return found, true
	}
	return flight{}, false
}

func (c *Call) at(i int) *flight {
	if i < len(c.inline) {
		return &c.inline[i]
	}
	return &c.rest[i-len(c.inline)]
}

// Done reports what an attempt came to. An attempt that is not under way is ignored: the call had stopped.
func (c *Call) Done(now time.Time, attempt int, o Outcome) {
	f, ok := c.land(attempt)
	if !ok {
		return
	}
	if c.n == 0 {
		c.idle = now
	}
	c.answer = attempt
	if o.Class == Unprocessed && o.Alive && !o.NoRetry && c.handedBack(now, f) {
		return
	}
	c.p.learn(now, f.sent, o)
	c.p.budget.End(now, f.permit, o.evidence())
	switch o.Class {
	case Success:
		c.stop(now, ReasonSuccess)
	case Rejected:
		c.stop(now, c.rejection(o))
	case Canceled:
		c.stop(now, c.gaveUp(now))
	default:
		c.failed(now, f.permit, o)
	}
}

// handedBack resends an attempt that a live connection gave back unprocessed, in its own place: at once, with the
// permit it had, and not counted.
func (c *Call) handedBack(now time.Time, f flight) bool {
	if c.free == maxFree || c.pending || c.closed != ReasonNone {
		return false
	}
	c.free++
	c.pending, c.due, c.paid = true, now, f.permit
	return true
}

func (c *Call) rejection(o Outcome) Reason {
	if o.NoRetry && o.Why == ReasonNone {
		return ReasonNoRetry
	}
	return ReasonRejected
}

// failed decides after a failure that a retry might mend.
func (c *Call) failed(now time.Time, held budget.Permit, o Outcome) {
	reason := c.plan(now, held, o)
	if reason == ReasonNoRetry || reason == ReasonHint || o.NoRetry {
		c.closed = reason
		c.withdraw(now)
	}
	if c.closed != ReasonNone {
		reason = c.closed
	}
	// A retryable failure never beats an attempt still under way.
	if c.n == 0 && !c.pending {
		c.stop(now, reason)
	}
}

// plan schedules a retry, or says why there is none.
func (c *Call) plan(now time.Time, held budget.Permit, o Outcome) Reason {
	switch {
	case o.NoRetry && o.Why != ReasonNone:
		return o.Why
	case o.NoRetry:
		return ReasonNoRetry
	case c.closed != ReasonNone:
		return c.closed
	case o.After > c.p.maxHint:
		return ReasonHint
	case c.pending:
		return c.postpone(now, o)
	case c.spent():
		return ReasonMaxAttempts
	}
	delay, ok := c.delay(o)
	if !ok {
		return ReasonMaxAttempts
	}
	due := now.Add(delay)
	if c.tooLate(due) {
		return ReasonDeadline
	}
	permit, ok := c.p.budget.Admit(now, budget.Retry, o.evidence(), held)
	if !ok {
		return ReasonBudget
	}
	c.pending, c.due, c.paid = true, due, permit
	return ReasonNone
}

// postpone puts the pending retry off if a second failure came with a longer wait.
func (c *Call) postpone(now time.Time, o Outcome) Reason {
	if o.After < minHint {
		return ReasonNone
	}
	due := now.Add(c.hint(o.After))
	if c.tooLate(due) {
		c.withdraw(now)
		return ReasonDeadline
	}
	if due.After(c.due) {
		c.due = due
	}
	return ReasonNone
}

// delay is the wait before the next retry. ok is false if a Stateful strategy wants no further attempt.
func (c *Call) delay(o Outcome) (d time.Duration, ok bool) {
	if o.After >= minHint {
		c.wait, c.prev = 0, 0 // gRFC A6: pushback resets the backoff
		return c.hint(o.After), true
	}
	if c.wait < math.MaxInt {
		c.wait++
	}
	strategy := c.strategy(o.Class == Throttled)
	d = strategy.Delay(c.wait, c.prev, c.p.random())
	if d < 0 {
		if _, stateful := c.rules(o.Class == Throttled).(backoff.Stateful); stateful {
			return 0, false
		}
		d = 0
	}
	c.prev = d
	return d, true
}

func (c *Call) rules(throttled bool) backoff.Strategy {
	if throttled {
		return c.p.throttled
	}
	return c.p.backoff
}

// strategy is the policy's, or this call's own instance of it.
func (c *Call) strategy(throttled bool) backoff.Strategy {
	s, own := c.rules(throttled), &c.backoff
	if throttled {
		own = &c.throttled
	}
	if stateful, ok := s.(backoff.Stateful); ok {
		if *own == nil {
			*own = stateful.NewCall()
		}
		return *own
	}
	return s
}

func (c *Call) hint(after time.Duration) time.Duration {
	return after + time.Duration(float64(after)*hintSpread*c.p.random())
}

// spent reports whether MaxAttempts were sent.
func (c *Call) spent() bool { return c.p.maxAttempts != Unlimited && c.sent-c.free >= c.p.maxAttempts }

// tooLate reports whether an attempt sent at that time could not plausibly finish before the deadline.
func (c *Call) tooLate(at time.Time) bool {
	return !c.deadline.IsZero() && !at.Add(c.p.usual()).Before(c.deadline)
}

// Cancel ends the call because the caller gave up, or because its deadline has passed: what is under way counts
// for nothing and what was reserved is given back. After a Stop it does nothing.
func (c *Call) Cancel(now time.Time) {
	if c.reason == ReasonNone {
		c.stop(now, c.gaveUp(now))
	}
}

func (c *Call) gaveUp(now time.Time) Reason {
	if !c.deadline.IsZero() && !now.Before(c.deadline) {
		return ReasonDeadline
	}
	return ReasonCanceled
}

func (c *Call) stop(now time.Time, reason Reason) {
	c.reason = reason
	c.withdraw(now)
	for i := range c.n {
		f := c.at(i)
		c.p.learn(now, f.sent, Outcome{Class: Canceled})
		c.p.budget.End(now, f.permit, budget.None)
	}
	c.n = 0
	c.rest = nil
}

func (c *Call) withdraw(now time.Time) {
	if c.pending {
		c.pending = false
		c.p.budget.End(now, c.paid, budget.Unsent)
	}
}
