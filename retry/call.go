package retry

import (
	"math"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
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
	now      time.Time     // when the driver last spoke
	at       time.Duration // the same, since start
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
	c.p, c.start, c.now, c.deadline, c.hedge = p, now, now, never, hedge && p.hedge != nil
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
	c.tell(now)
	switch {
	case c.reason != ReasonNone:
		return Step{Op: Stop, Attempt: c.answer, Reason: c.reason}
	case c.sent == 0:
		return c.first()
	case c.pending && c.at < c.due:
		return Step{Op: Wait, At: c.start.Add(c.due)}
	case c.pending:
		c.retry()
		return c.sending(budget.Retry)
	}
	return c.nextHedge()
}

// tell tells what time it is.
func (c *Call) tell(now time.Time) { c.now, c.at = now, now.Sub(c.start) }

func (c *Call) first() Step {
	if g := c.p.gate; g != nil && !g.Allow(c.now, c.p.unit()) {
		c.reason = ReasonGate
		return Step{Op: Stop, Reason: ReasonGate}
	}
	c.launch(c.at, c.p.begin(c.now))
	return c.sending(budget.First)
}

// nextHedge is asked only while attempts are under way and none is pending.
func (c *Call) nextHedge() Step {
	if !c.hedge || c.shut || c.closed != ReasonNone || c.spent() {
		return Step{Op: Wait}
	}
	delay := c.p.hedge.Timeout()
	if delay <= 0 {
		return Step{Op: Wait}
	}
	if due := later(c.lastSent, delay); c.at < due {
		return Step{Op: Wait, At: c.start.Add(due)}
	}
	if c.tooLate(c.at) {
		c.shut = true
		return Step{Op: Wait}
	}
	permit, ok := c.p.admit(c.now, budget.Hedge, budget.Silent, c.held)
	if !ok {
		c.shut = true
		return Step{Op: Wait}
	}
	c.hedges++
	c.launch(c.at, permit)
	return c.sending(budget.Hedge)
}

// sending is the step that sends the attempt launched last.
func (c *Call) sending(kind budget.Kind) Step {
	return Step{Op: Send, Kind: kind, Attempt: c.sent, Timeout: c.p.attemptTimeout()}
}

// retry sends the pending attempt.
func (c *Call) retry() {
	c.pending = false
	c.pause()
	c.launch(c.at, c.paid)
}

// pause adds to what the call has waited the time in which no attempt was under way.
func (c *Call) pause() {
	if c.n == 0 && c.sent > 0 && c.at > c.idle {
		c.waited += c.at - c.idle
		c.idle = c.at
	}
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
		f := c.flight(i)
		if f.attempt != attempt {
			continue
		}
		found := *f
		if c.n--; i != c.n {
			*f = *c.flight(c.n)
		}
		if len(c.rest) > 0 {
			c.rest = c.rest[:len(c.rest)-1]
		}
		return found, true
	}
	return flight{}, false
}

func (c *Call) flight(i int) *flight {
	if i < len(c.inline) {
		return &c.inline[i]
	}
	return &c.rest[i-len(c.inline)]
}

// Done reports what an attempt came to. An attempt that is not under way is ignored: the call had stopped.
func (c *Call) Done(now time.Time, attempt int, o Outcome) {
	c.tell(now)
	c.done(attempt, o)
}

// done is Done for a driver that told the time.
func (c *Call) done(attempt int, o Outcome) {
	f, ok := c.land(attempt)
	if !ok {
		return
	}
	if c.n == 0 {
		c.idle = c.at
	}
	c.answer = attempt
	if o.Class == Unprocessed && o.Alive && !o.NoRetry && c.handedBack(f) {
		return
	}
	c.end(f, o)
	switch o.Class {
	case Success:
		c.stop(ReasonSuccess)
	case Rejected:
		c.refused(o)
	case Canceled:
		c.stop(c.gaveUp())
	default:
		c.failed(o)
	}
}

// Cancel ends the call because the caller gave up, or because its deadline has passed: what is under way counts
// for nothing and what was reserved is given back. After a Stop it does nothing.
func (c *Call) Cancel(now time.Time) {
	if c.reason == ReasonNone {
		c.tell(now)
		c.stop(c.gaveUp())
	}
}

func (c *Call) gaveUp() Reason {
	if c.deadline != never && c.at >= c.deadline {
		return ReasonDeadline
	}
	return ReasonCanceled
}

func (c *Call) stop(reason Reason) {
	c.reason = reason
	c.pause()
	c.withdraw()
	for i := range c.n {
		c.p.end(c.now, c.flight(i).permit, budget.None)
	}
	for i := range c.n { // last: a user's Limit may panic
		c.learn(*c.flight(i), Outcome{Class: Canceled})
	}
	c.n = 0
	c.rest = nil
}

// end tells the budget and the limits what an attempt came to.
func (c *Call) end(f flight, o Outcome) {
	c.p.end(c.now, f.permit, o.evidence())
	c.learn(f, o)
}

func (c *Call) learn(f flight, o Outcome) {
	if c.p.learns && f.sent != unknown {
		c.p.learn(c.now, c.at-f.sent, o)
	}
}

func (c *Call) withdraw() {
	if c.pending {
		c.pending = false
		c.p.end(c.now, c.paid, budget.Unsent)
	}
}
