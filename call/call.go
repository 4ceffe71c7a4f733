package call

import (
	"math"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
)

// Op names the action that a Step asks for.
type Op uint8

const (
	Send Op = iota + 1 // send an attempt now
	Wait               // wait until Step.At, or until an attempt ends, whichever is first
	Stop               // the call is over
)

// Step names the next action of a driver.
type Step struct {
	Op      Op
	Kind    budget.Kind   // Send: First, Retry or Hedge
	Attempt int           // Send: its number, from 1. Stop: the attempt whose answer is the call's, 0 if none was sent
	Timeout time.Duration // Send: what it may take, 0 for no limit; skip the timer if the deadline is sooner
	At      time.Time     // Wait: until when; zero: only a result moves it
	Reason  Reason        // Stop
}

// Call holds the state of one call. A driver calls Next until it returns Wait or Stop, carries out
// each Send, reports each attempt's end with Done, and calls Next again. Keep the answer of
// attempt Report().Answer until the next Send: the call may yet stop with it. Only one goroutine
// may use a Call at a time. A driver that gives up must call Cancel, or what the Call reserved
// from the budget is lost.
//
// This file has what a driver calls, in the order of a call: Next sends and waits, Done takes in
// outcomes, Cancel and stop end the call. What follows a failure is decided in plan.go, the budget
// is asked in queue.go, and flights.go has the attempts under way.
type Call struct {
	rules    *Rules
	start    time.Time     // all durations below that are points in time count from here
	now      time.Time     // when the driver last spoke
	at       time.Duration // the same, since start
	deadline time.Duration // of the caller; never, if there is none
	from     time.Duration // when it began, or began anew
	before   int           // attempts counted until it began anew
	resets   bool          // it may
	hedge    bool          // this call may be hedged
	key      string        // for Rules.Pause

	flights
	sent     int           // attempts sent
	hedges   int           // of these: hedges
	held     budget.Permit // of the latest attempt that the budget admitted
	spare    budget.Permit // of the latest attempt that Rules.Unknown admitted
	lastSent time.Duration

	freed                 // attempts that were resent for nothing
	pending               // the next attempt
	queue                 // the wait for the budget's answer
	shut    bool          // no hedge of the latest attempt: the budget or the deadline refused it
	hedgeAt time.Duration // when the budget may be asked for a hedge again
	asked   time.Duration // the longest wait that a server asked for, if that is over Rules.MaxHint
	notYet  time.Duration // a server asked to be left alone until then

	paused   bool          // the next attempt waits because of other calls, since pausedAt
	pausedAt time.Duration // the first time

	closed Reason               // no further attempt, whatever becomes of those under way
	wait   int                  // the number of the latest backoff
	prev   time.Duration        // the latest backoff
	own    *[2]backoff.Strategy // this call's own instances of strategies that are Stateful

	answer    int           // the attempt whose answer is the call's if it stops now
	kind      budget.Kind   // of that attempt
	refused   bool          // it was refused, and others were under way: no failure takes its place
	shadow    bool          // its outcome has Shadow
	ambiguous bool          // an attempt failed that may have had its effect
	reason    Reason        // why the call stopped
	idle      time.Duration // since when no attempt is under way
	waited    time.Duration
	after     time.Duration // what the answer asks to wait
}

// never is later than any point in time.
const never = math.MaxInt64

func (c *Call) init(r *Rules, now time.Time, o Options) {
	c.rules, c.start, c.now, c.deadline, c.hedge = r, now, now, never, o.Hedge && r.Hedge != nil
	c.key, c.resets = o.PauseKey, o.Reset && r.ResetAfter > 0 && r.MaxAttempts != 1
	if !o.Deadline.IsZero() {
		c.deadline = o.Deadline.Sub(now)
	}
}

// Next returns what to do at time now. It may be called at any time, and repeatedly.
func (c *Call) Next(now time.Time) Step {
	c.advance(now)
	switch {
	case c.reason != ReasonNone:
		return Step{Op: Stop, Attempt: c.answer, Reason: c.reason}
	case c.sent == 0:
		return c.first()
	case c.planned && c.rules.off():
		return c.drop(ReasonDisabled)
	case c.planned && c.at < c.due:
		return Step{Op: Wait, At: c.start.Add(c.due)}
	case c.planned:
		return c.retry()
	}
	return c.nextHedge()
}

// advance sets the call's clock.
func (c *Call) advance(now time.Time) { c.now, c.at = now, now.Sub(c.start) }

func (c *Call) first() Step {
	if step, held := c.hold(); held {
		return step
	}
	if g, ok := c.rules.Budget.(budget.Gate); ok && !g.Allow(c.now, c.rules.unit()) {
		c.reason = ReasonGate
		return Step{Op: Stop, Reason: ReasonGate}
	}
	var permit budget.Permit
	if c.rules.Budget != nil {
		permit = c.rules.Budget.Begin(c.now)
	}
	c.pause()
	return c.send(budget.First, permit, false)
}

// retry sends the attempt that is due, if the budget grants it now or has before.
func (c *Call) retry() Step {
	if c.applyPause(); c.at < c.notYet {
		if reason := c.postpone(); reason != ReasonNone {
			return c.drop(reason)
		}
		return Step{Op: Wait, At: c.start.Add(c.due)}
	}
	if !c.paid {
		if step, over := c.ask(); over {
			return step
		}
	}
	c.planned = false
	c.pause()
	return c.send(budget.Retry, c.permit, c.unknown)
}

// nextHedge is asked only while attempts are under way and none is planned.
func (c *Call) nextHedge() Step {
	if !c.hedge || c.shut || c.closed != ReasonNone || c.spent() || c.rules.off() {
		return Step{Op: Wait}
	}
	delay := c.rules.Hedge.Timeout()
	if delay <= 0 {
		return Step{Op: Wait}
	}
	c.applyPause()
	due := max(later(c.lastSent, delay), c.notYet, c.hedgeAt)
	if c.ends(max(c.at, due)) != ReasonNone {
		c.shut = true
		return Step{Op: Wait}
	}
	if c.at < due {
		return Step{Op: Wait, At: c.start.Add(due)}
	}
	permit, answer := c.admit(budget.Hedge, budget.Silent, c.held)
	switch answer {
	case budget.Later:
		if permit != 0 { // while an attempt is under way nothing waits
			c.settle(false, permit, budget.None)
		}
		c.hedgeAt = later(c.at, c.interval())
		return c.nextHedge() // which waits until then, or shuts if that is too late
	case budget.Refused:
		c.shut = true
		return Step{Op: Wait}
	}
	c.hedges++
	return c.send(budget.Hedge, permit, false)
}

// send launches an attempt now and returns the step that sends it.
func (c *Call) send(k budget.Kind, p budget.Permit, unknown bool) Step {
	c.launch(k, p, unknown, c.at)
	return Step{Op: Send, Kind: k, Attempt: c.sent, Timeout: c.rules.attemptTimeout()}
}

func (c *Call) launch(k budget.Kind, p budget.Permit, unknown bool, sent time.Duration) {
	c.sent++
	c.shut, c.every, c.paused = false, 0, false
	c.lastSent = sent
	if unknown {
		c.spare = p
	} else {
		c.held = p
	}
	f := c.add()
	f.attempt, f.kind, f.permit, f.unknown, f.sent = c.sent, k, p, unknown, sent
}

// pause adds to what the call has waited the time in which no attempt was under way.
func (c *Call) pause() {
	if c.n == 0 && (c.sent > 0 || c.paused) && c.at > c.idle {
		c.waited += c.at - c.idle
		c.idle = c.at
	}
}

// Done reports the outcome of an attempt. An attempt that is not under way is ignored: the call
// had stopped.
func (c *Call) Done(now time.Time, attempt int, o Outcome) {
	c.advance(now)
	f, ok := c.remove(attempt)
	if !ok {
		return
	}
	if c.n == 0 {
		c.idle = c.at
	}
	if o.Class == Unprocessed && o.Alive && o.Forbidden == ReasonNone && c.handedBack(&f, &o) {
		c.answers(&f, &o)
		return
	}
	c.end(&f, &o)
	switch o.Class {
	case Success:
		c.answers(&f, &o)
		c.stop(ReasonSuccess)
	case Canceled:
		c.answers(&f, &o)
		c.stop(c.gaveUp(o.Forbidden))
	case Rejected:
		c.rejected(&f, &o)
	default:
		c.failed(&f, &o)
	}
}

// Cancel ends the call because the caller gave up (ReasonCanceled) or its deadline has passed
// (ReasonDeadline). Attempts under way are not counted, and what was reserved is returned to the
// budget. After a Stop it does nothing.
func (c *Call) Cancel(now time.Time, reason Reason) {
	if c.reason == ReasonNone {
		c.advance(now)
		c.stop(c.gaveUp(reason))
	}
}

// gaveUp returns why the caller gave up: what the driver says or, if it says nothing, what the
// clock does.
func (c *Call) gaveUp(reason Reason) Reason {
	switch {
	case reason != ReasonNone:
		return reason
	case c.deadline != never && c.at >= c.deadline:
		return ReasonDeadline
	}
	return ReasonCanceled
}

// answers makes an attempt's answer the call's.
func (c *Call) answers(f *flight, o *Outcome) {
	c.answer, c.kind, c.shadow = f.attempt, f.kind, o.Shadow && f.attempt > 1
	c.after = max(o.After, 0)
}

// rejected decides after an attempt that no retry helps. An application's own refusal ends the
// call, except one that an earlier attempt, still under way, may have caused. A failure on our
// own side ends it only if nothing is under way.
func (c *Call) rejected(f *flight, o *Outcome) {
	reason := ReasonRejected
	if o.Forbidden == ReasonNoRetry {
		reason = ReasonNoRetry
	}
	if o.Alive || !c.refused {
		c.answers(f, o)
	}
	switch {
	case c.n > 0 && (c.shadow || !o.Alive):
		c.refused = c.refused || o.Alive
		c.close(reason)
	case o.Alive || c.closed == ReasonNone:
		c.stop(reason)
	default:
		c.stop(c.closed)
	}
}

// close forbids further attempts; those under way may yet answer.
func (c *Call) close(reason Reason) {
	c.closed = reason
	c.withdraw()
}

func (c *Call) stop(reason Reason) {
	c.reason = reason
	c.shadow = c.shadow && c.ambiguous
	c.pause()
	c.withdraw()
	for i := range c.n {
		f := c.flights.at(i)
		c.settle(f.unknown, f.permit, budget.None)
	}
	for i := range c.n { // last: a user's Limit may panic
		c.learn(c.flights.at(i), &Outcome{Class: Canceled})
	}
	c.n, c.rest = 0, nil
}

// end reports the outcome of an attempt to the budgets and the limits.
func (c *Call) end(f *flight, o *Outcome) {
	c.ambiguous = c.ambiguous || o.ambiguous()
	e := o.evidence()
	switch {
	case c.ranWell(f, o):
		e = budget.Alive
	case e == budget.None && c.unanswered(o):
		e = budget.Overloaded
	}
	if e == budget.Unknown && c.rules.Unknown != nil && !f.unknown {
		e = budget.None // it may have nothing to do with the destination
	}
	c.settle(f.unknown, f.permit, e)
	// A success earns retries after unknown errors as well.
	if u := c.rules.Unknown; u != nil && !f.unknown && o.Class == Success {
		u.End(c.now, u.Begin(c.now), budget.Alive)
	}
	c.learn(f, o)
}

func (c *Call) learn(f *flight, o *Outcome) {
	if f.sent != untimed {
		c.rules.learn(c.now, c.at-f.sent, o)
	}
}

// later returns a + d for d >= 0, or the latest point in time there is.
func later(a, d time.Duration) time.Duration {
	if sum := a + d; sum >= a {
		return sum
	}
	return never
}
