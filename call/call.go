package call

import (
	"math"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
)

// This file has the methods that a driver calls, in the order of a call: Next returns what to do,
// Done takes an attempt's outcome, Cancel ends the call. plan.go decides what follows a failure,
// queue.go asks the budget, pause.go applies the waits of other calls, flights.go stores the
// attempts under way.
//
// Ends have a verb each: end takes an attempt's outcome to the budgets and limits, settle ends a
// permit, withdraw gives up the planned retry, drop does so and stops the call if nothing is under
// way, close forbids further attempts, and stop ends the call.

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
	Attempt int           // Send: its number, from 1. Stop: the attempt whose answer is the call's; 0: none was sent
	Timeout time.Duration // Send: the attempt timeout, 0 for none; no timer is needed if the deadline is sooner
	At      time.Time     // Wait: when to call Next again; zero: when an attempt ends
	Reason  Reason        // Stop: why the call is over
}

// Call holds the state of one call. A driver calls Next until it returns Wait or Stop, carries out
// each Send, reports each attempt's end with Done, and calls Next again. It must keep the answer
// of attempt Report().Answer until the next Send, because the call may still stop with that
// answer. A driver that gives up must call Cancel; otherwise the permits that the call reserved
// are never returned to the budget. Only one goroutine may use a Call at a time.
type Call struct {
	rules    *Rules
	start    time.Time     // points in time in the fields below are durations since start
	now      time.Time     // the time that the driver passed last
	at       time.Duration // now, since start
	deadline time.Duration // the caller's, or never
	hedge    bool          // this call may be hedged
	pauseKey string        // Options.PauseKey

	resets      bool          // Rules.ResetAfter applies to this call
	beforeReset int           // attempts before the latest reset: MaxAttempts does not count them
	elapsedFrom time.Duration // when MaxElapsed began to count; negative if Resume is passed an earlier send

	flights                // attempts under way
	sent     int           // attempts sent
	hedges   int           // of these: hedges
	held     budget.Permit // of the latest attempt that Rules.Budget admitted
	spare    budget.Permit // of the latest attempt that Rules.Unknown admitted
	lastSent time.Duration // when the latest attempt was sent

	freeResends               // resends that neither count nor cost anything
	pending                   // the planned retry
	queue                     // its wait for the budget
	noHedge     bool          // no hedge until the next send: the budget or the deadline refused it
	hedgeAt     time.Duration // when the budget may be asked for a hedge again
	longHint    time.Duration // the wait that a server asked for, if that is longer than Rules.MaxHint
	notBefore   time.Duration // the earliest time for another send, because a server asked for a wait

	paused   bool          // Rules.Pause delays the next attempt
	pausedAt time.Duration // since when

	closed    Reason               // why no further attempt is sent, although some are under way
	backoffs  int                  // since the first attempt, the latest reset or the latest hint
	prevDelay time.Duration        // the latest of these backoffs
	own       *[2]backoff.Strategy // this call's instances of Backoff and ThrottledBackoff, where Stateful

	answer    int           // the attempt whose answer is the call's if it stops now
	kind      budget.Kind   // of that attempt
	refused   bool          // that answer is a refusal, which no later failure replaces
	shadow    bool          // that attempt's Outcome.Shadow
	ambiguous bool          // some failed attempt may have had its effect
	reason    Reason        // why the call stopped; ReasonNone until then
	idleSince time.Duration // when the last attempt under way ended
	waited    time.Duration // total time with no attempt under way
	after     time.Duration // the wait that the answer asks for
}

// never is the latest point in time.
const never = math.MaxInt64

func (c *Call) init(r *Rules, now time.Time, o Options) {
	c.rules, c.start, c.now, c.deadline = r, now, now, never
	c.hedge, c.pauseKey = o.Hedge && r.Hedge != nil, o.PauseKey
	c.resets = o.Reset && r.ResetAfter > 0 && r.MaxAttempts != 1
	if !o.Deadline.IsZero() {
		c.deadline = o.Deadline.Sub(now)
	}
}

// Next returns what to do at time now. It may be called at any time, more than once.
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

// advance sets the call's clock to now.
func (c *Call) advance(now time.Time) { c.now, c.at = now, now.Sub(c.start) }

// first sends the first attempt, unless a server has asked other calls to wait (Rules.Pause) or
// the budget is a Gate and refuses it.
func (c *Call) first() Step {
	if step, paused := c.hold(); paused {
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
	c.addWaited()
	return c.send(budget.First, permit, false)
}

// retry sends the planned retry, which is due, if the budget has granted it (c.paid) or does so
// now.
func (c *Call) retry() Step {
	if c.applyPause(); c.at < c.notBefore {
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
	c.addWaited()
	return c.send(budget.Retry, c.permit, c.unknown)
}

// nextHedge sends a hedge that is due, or waits until one is. Next calls it only while attempts
// are under way and no retry is planned, so it never stops the call.
func (c *Call) nextHedge() Step {
	if !c.hedge || c.noHedge || c.closed != ReasonNone || c.spent() || c.rules.off() {
		return Step{Op: Wait}
	}
	delay := c.rules.Hedge.Timeout()
	if delay <= 0 {
		return Step{Op: Wait}
	}
	c.applyPause()
	due := max(plus(c.lastSent, delay), c.notBefore, c.hedgeAt)
	if c.outOfTime(max(c.at, due)) != ReasonNone {
		c.noHedge = true
		return Step{Op: Wait}
	}
	if c.at < due {
		return Step{Op: Wait, At: c.start.Add(due)}
	}
	permit, answer := c.admit(budget.Hedge, budget.Silent, c.held)
	switch answer {
	case budget.Later:
		if permit != 0 { // a ticket: a hedge returns it, as it does not keep a place in the queue
			c.settle(false, permit, budget.None)
		}
		c.hedgeAt = plus(c.at, c.interval())
		return c.nextHedge() // waits until hedgeAt, or sets noHedge if that is too late
	case budget.Refused:
		c.noHedge = true
		return Step{Op: Wait}
	}
	c.hedges++
	return c.send(budget.Hedge, permit, false)
}

// send records an attempt as sent now and returns the step that sends it.
func (c *Call) send(k budget.Kind, p budget.Permit, unknown bool) Step {
	c.launch(k, p, unknown, c.at)
	return Step{Op: Send, Kind: k, Attempt: c.sent, Timeout: c.rules.attemptTimeout()}
}

// launch records an attempt as under way since sent. unknown is set if the permit is of
// Rules.Unknown.
func (c *Call) launch(k budget.Kind, p budget.Permit, unknown bool, sent time.Duration) {
	c.sent++
	c.noHedge, c.askEvery, c.paused = false, 0, false
	c.lastSent = sent
	if unknown {
		c.spare = p
	} else {
		c.held = p
	}
	f := c.add()
	f.attempt, f.kind, f.permit, f.unknown, f.sent = c.sent, k, p, unknown, sent
}

// addWaited adds the time since c.idleSince, in which no attempt was under way, to c.waited.
func (c *Call) addWaited() {
	if c.underWay == 0 && (c.sent > 0 || c.paused) && c.at > c.idleSince {
		c.waited = plus(c.waited, c.at-c.idleSince)
		c.idleSince = c.at
	}
}

// Done records the outcome of an attempt that ended at now. It does nothing if that attempt is not
// under way; after a Stop none is.
func (c *Call) Done(now time.Time, attempt int, o Outcome) {
	c.advance(now)
	f, ok := c.remove(attempt)
	if !ok {
		return
	}
	if c.underWay == 0 {
		c.idleSince = c.at
	}
	if o.Class == Unprocessed && o.Alive && o.Forbidden == ReasonNone && c.planResend(&f, &o) {
		c.setAnswer(&f, &o)
		return
	}
	c.end(&f, &o)
	switch o.Class {
	case Success:
		c.setAnswer(&f, &o)
		c.stop(ReasonSuccess)
	case Canceled:
		c.setAnswer(&f, &o)
		c.stop(c.cancelReason(o.Forbidden))
	case Rejected:
		c.rejected(&f, &o)
	default:
		c.failed(&f, &o)
	}
}

// Cancel ends the call because the caller gave up (ReasonCanceled) or its deadline has passed
// (ReasonDeadline). The budget does not count attempts under way as failures, and gets back the
// permit of a planned retry. After a Stop it does nothing.
func (c *Call) Cancel(now time.Time, reason Reason) {
	if c.reason == ReasonNone {
		c.advance(now)
		c.stop(c.cancelReason(reason))
	}
}

// cancelReason returns the driver's reason for a cancellation or, if it gave none, ReasonDeadline
// after the deadline and ReasonCanceled before it.
func (c *Call) cancelReason(reason Reason) Reason {
	switch {
	case reason != ReasonNone:
		return reason
	case c.deadline != never && c.at >= c.deadline:
		return ReasonDeadline
	}
	return ReasonCanceled
}

// setAnswer makes an attempt's answer the call's.
func (c *Call) setAnswer(f *flight, o *Outcome) {
	c.answer, c.kind, c.shadow = f.attempt, f.kind, o.Shadow && f.attempt > 1
	c.after = max(o.After, 0)
}

// rejected decides what follows a Rejected outcome, which no retry helps. A refusal by the
// application (o.Alive) ends the call, unless an attempt still under way may have caused it
// (o.Shadow). A failure on the client's side ends the call only if nothing is under way.
func (c *Call) rejected(f *flight, o *Outcome) {
	reason := ReasonRejected
	if o.Forbidden == ReasonNoRetry {
		reason = ReasonNoRetry
	}
	if o.Alive || !c.refused {
		c.setAnswer(f, o)
	}
	switch {
	case c.underWay > 0 && (c.shadow || !o.Alive):
		c.refused = c.refused || o.Alive
		c.close(reason)
	case o.Alive || c.closed == ReasonNone:
		c.stop(reason)
	default: // an earlier outcome closed the call
		c.stop(c.closed)
	}
}

// close forbids further attempts; those under way may still answer.
func (c *Call) close(reason Reason) {
	c.closed = reason
	c.withdraw()
}

// stop ends the call: it returns the planned retry to the budget, and ends the attempts under way
// as canceled.
func (c *Call) stop(reason Reason) {
	c.reason = reason
	c.shadow = c.shadow && c.ambiguous // without an earlier effect the refusal is genuine
	c.addWaited()
	c.withdraw()
	for i := range c.underWay {
		f := c.nth(i)
		c.settle(f.unknown, f.permit, budget.None)
	}
	for i := range c.underWay { // after the loop above: a user's Limit may panic
		c.learn(c.nth(i), &Outcome{Class: Canceled})
	}
	c.underWay, c.rest = 0, nil
}

// end reports the outcome of an attempt to the budgets and the limits.
func (c *Call) end(f *flight, o *Outcome) {
	c.ambiguous = c.ambiguous || o.ambiguous()
	e := o.evidence()
	switch {
	case c.ranWell(f, o):
		e = budget.Alive // its destination worked for Rules.ResetAfter
	case e == budget.None && c.unanswered(o):
		e = budget.Overloaded // the destination handed back every attempt
	}
	if e == budget.Unknown && c.rules.Unknown != nil && !f.unknown {
		e = budget.None // Rules.Unknown pays for retries after it, so the main budget ignores it
	}
	c.settle(f.unknown, f.permit, e)
	// A success that Rules.Budget paid for is a success to Rules.Unknown as well.
	if u := c.rules.Unknown; u != nil && !f.unknown && o.Class == Success {
		u.End(c.now, u.Begin(c.now), budget.Alive)
	}
	c.learn(f, o)
}

// learn passes the duration of an attempt to the limits that measure latency.
func (c *Call) learn(f *flight, o *Outcome) {
	if f.sent != untimed {
		c.rules.learn(c.now, c.at-f.sent, o)
	}
}

// plus returns a + d for d >= 0, or never if that overflows.
func plus(a, d time.Duration) time.Duration {
	if sum := a + d; sum >= a {
		return sum
	}
	return never
}
