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
	start    time.Time     // all durations below that are points in time count from here
	deadline time.Duration // never, if there is none

	inline [2]flight // the attempts under way, n in all; more than fit are in rest
	rest   []flight
	n      int

	sent   int  // attempts sent
	free   int  // of these: resent for nothing
	hedges int  // of these: hedges
	wait   int  // the number of the latest backoff
	answer int  // the attempt that ended last
	hedge  bool // this call may be hedged
	shut   bool // the budget or the deadline refused a hedge of the latest attempt

	pending bool   // the next attempt is admitted, paid for, and due at due
	closed  Reason // no further attempt, whatever becomes of those under way
	reason  Reason // why the call stopped
	due     time.Duration
	paid    budget.Permit

	held     budget.Permit // of the latest attempt
	lastSent time.Duration
	idle     time.Duration // since when no attempt is under way
	waited   time.Duration
	prev     time.Duration // the latest backoff

	own *[2]backoff.Strategy // this call's own instances of strategies that are Stateful
}

// never is later than any point in time.
const never = math.MaxInt64

// unknown is when an attempt was sent that nobody timed.
const unknown = math.MinInt64

// flight is an attempt under way.
type flight struct {
	attempt int
	permit  budget.Permit
	sent    time.Duration
}

// Start begins a call whose first attempt is not sent yet. A zero deadline means none. hedge says whether the
// driver is able to hedge it; it is hedged only if the policy says so too.
func (p *Policy) Start(now, deadline time.Time, hedge bool) Call {
	var c Call
	c.init(p, now, deadline, hedge)
	return c
}

// Resume takes over a call whose first attempt, told to the budget by Begin, has come to something but a success at
// now, or is being hedged; report what it came to with Done(now, 1, …).
func (p *Policy) Resume(now time.Time, f First, deadline time.Time, hedge bool) Call {
	var c Call
	c.resume(p, now, f, deadline, hedge)
	return c
}

func (c *Call) init(p *Policy, now, deadline time.Time, hedge bool) {
	c.p, c.start, c.deadline, c.hedge = p, now, never, hedge && p.hedge != nil
	if !deadline.IsZero() {
		c.deadline = deadline.Sub(now)
	}
}

func (c *Call) resume(p *Policy, now time.Time, f First, deadline time.Time, hedge bool) {
	c.init(p, now, deadline, hedge)
	if !f.sent.IsZero() {
		c.launch(f.sent.Sub(now), f.permit)
		return
	}
	c.launch(unknown, f.permit)
	c.lastSent = 0 // for a hedge, better late than at once
}

// Next says what to do at time now. It may be called at any time and again: asking twice is harmless.
func (c *Call) Next(now time.Time) Step {
	if c.reason != ReasonNone {
		return Step{Op: Stop, Attempt: c.answer, Reason: c.reason}
	}
	if c.sent == 0 {
		return c.first(now)
	}
	at := now.Sub(c.start)
	switch {
	case c.pending && at < c.due:
		return Step{Op: Wait, At: c.start.Add(c.due)}
	case c.pending:
		c.pending = false
		return c.send(at, budget.Retry, c.paid)
	}
	return c.nextHedge(now, at)
}

func (c *Call) first(now time.Time) Step {
	if g := c.p.gate; g != nil && !g.Allow(now, c.p.unit()) {
		c.reason = ReasonGate
		return Step{Op: Stop, Reason: ReasonGate}
	}
	return c.send(now.Sub(c.start), budget.First, c.p.begin(now))
}

// nextHedge is asked only while attempts are under way and none is pending.
func (c *Call) nextHedge(now time.Time, at time.Duration) Step {
	if !c.hedge || c.shut || c.closed != ReasonNone || c.spent() {
		return Step{Op: Wait}
	}
	delay := c.p.hedge.Timeout()
	if delay <= 0 {
		return Step{Op: Wait}
	}
	if due := later(c.lastSent, delay); at < due {
		return Step{Op: Wait, At: c.start.Add(due)}
	}
	if c.tooLate(at) {
		c.shut = true
		return Step{Op: Wait}
	}
	permit, ok := c.p.budget.Admit(now, budget.Hedge, budget.Silent, c.held)
	if !ok {
		c.shut = true
		return Step{Op: Wait}
	}
	c.hedges++
	return c.send(at, budget.Hedge, permit)
}

func (c *Call) send(at time.Duration, kind budget.Kind, permit budget.Permit) Step {
	if c.n == 0 && c.sent > 0 && at > c.idle {
		c.waited += at - c.idle
	}
	c.launch(at, permit)
	return Step{Op: Send, Kind: kind, Attempt: c.sent, Timeout: c.p.attemptTimeout()}
}

func (c *Call) launch(at time.Duration, permit budget.Permit) {
	c.sent++
	c.shut = false
	c.held, c.lastSent = permit, at
	f := flight{attempt: c.sent, permit: permit, sent: at}
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
	at := now.Sub(c.start)
	if c.n == 0 {
		c.idle = at
	}
	c.answer = attempt
	if o.Class == Unprocessed && o.Alive && !o.NoRetry && c.handedBack(at, f) {
		return
	}
	c.end(now, f, o)
	switch o.Class {
	case Success:
		c.stop(now, ReasonSuccess)
	case Rejected:
		c.stop(now, c.rejection(o))
	case Canceled:
		c.stop(now, c.gaveUp(now))
	default:
		c.failed(now, o)
	}
}

// handedBack resends an attempt that a live connection gave back unprocessed, in its own place: at once, with the
// permit it had, and not counted.
func (c *Call) handedBack(at time.Duration, f flight) bool {
	if c.free == maxFree || c.pending || c.closed != ReasonNone || c.tooLate(at) {
		return false
	}
	c.free++
	c.pending, c.due, c.paid = true, at, f.permit
	return true
}

func (c *Call) rejection(o Outcome) Reason {
	if o.NoRetry && o.Why == ReasonNone {
		return ReasonNoRetry
	}
	return ReasonRejected
}

// failed decides after a failure that a retry might mend.
func (c *Call) failed(now time.Time, o Outcome) {
	reason := c.plan(now, o)
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
func (c *Call) plan(now time.Time, o Outcome) Reason {
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
	due := later(now.Sub(c.start), delay)
	if c.tooLate(due) {
		return ReasonDeadline
	}
	permit, ok := c.p.budget.Admit(now, budget.Retry, o.evidence(), c.held)
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
	due := later(now.Sub(c.start), c.hint(o.After))
	if c.tooLate(due) {
		c.withdraw(now)
		return ReasonDeadline
	}
	c.due = max(c.due, due)
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
	strategy := c.p.backoff
	if o.Class == Throttled {
		strategy = c.p.throttled
	}
	if c.p.stateful {
		strategy = c.instance(strategy, o.Class == Throttled)
	}
	d = strategy.Delay(c.wait, c.prev, c.p.unit())
	if d < 0 {
		return 0, !c.p.stateful
	}
	c.prev = d
	return d, true
}

// instance is this call's own instance of a strategy that is Stateful; another strategy is its own.
func (c *Call) instance(s backoff.Strategy, throttled bool) backoff.Strategy {
	stateful, ok := s.(backoff.Stateful)
	if !ok {
		return s
	}
	if c.own == nil {
		c.own = new([2]backoff.Strategy)
	}
	i := 0
	if throttled {
		i = 1
	}
	if c.own[i] == nil {
		c.own[i] = stateful.NewCall()
	}
	return c.own[i]
}

func (c *Call) hint(after time.Duration) time.Duration {
	return after + time.Duration(float64(after)*hintSpread*c.p.unit())
}

// spent reports whether MaxAttempts were sent.
func (c *Call) spent() bool { return c.p.maxAttempts != Unlimited && c.sent-c.free >= c.p.maxAttempts }

// tooLate reports whether an attempt sent then could not plausibly finish before the deadline.
func (c *Call) tooLate(at time.Duration) bool {
	return c.deadline != never && later(at, c.p.usual()) >= c.deadline
}

// later is a + d for d >= 0, or the latest point in time there is.
func later(a, d time.Duration) time.Duration {
	if sum := a + d; sum >= a {
		return sum
	}
	return never
}

// Cancel ends the call because the caller gave up, or because its deadline has passed: what is under way counts
// for nothing and what was reserved is given back. After a Stop it does nothing.
func (c *Call) Cancel(now time.Time) {
	if c.reason == ReasonNone {
		c.stop(now, c.gaveUp(now))
	}
}

func (c *Call) gaveUp(now time.Time) Reason {
	if c.deadline != never && now.Sub(c.start) >= c.deadline {
		return ReasonDeadline
	}
	return ReasonCanceled
}

func (c *Call) stop(now time.Time, reason Reason) {
	c.reason = reason
	c.withdraw(now)
	for i := range c.n {
		c.end(now, *c.at(i), Outcome{Class: Canceled})
	}
	c.n = 0
	c.rest = nil
}

// end tells the limits and the budget what an attempt came to.
func (c *Call) end(now time.Time, f flight, o Outcome) {
	if c.p.learns && f.sent != unknown {
		c.p.learn(now, now.Sub(c.start)-f.sent, o)
	}
	c.p.end(now, f.permit, o.evidence())
}

func (c *Call) withdraw(now time.Time) {
	if c.pending {
		c.pending = false
		c.p.budget.End(now, c.paid, budget.Unsent)
	}
}
