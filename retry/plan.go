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

// handedBack resends an attempt that a live connection gave back unprocessed, in its own place: at once, with the
// permit it had, and not counted.
func (c *Call) handedBack(f flight) bool {
	if c.free == maxFree || c.pending || c.closed != ReasonNone || c.tooLate(c.at) {
		return false
	}
	c.free++
	c.pending, c.due, c.paid = true, c.at, f.permit
	return true
}

// refused ends the call with a refusal, unless it is not the application's own and an attempt is still under way: that
// one may yet be answered, and no other is sent.
func (c *Call) refused(o Outcome) {
	if o.Alive || c.n == 0 {
		c.stop(c.rejection(o))
		return
	}
	c.closed = c.rejection(o)
	c.withdraw()
}

func (c *Call) rejection(o Outcome) Reason {
	if o.Why() == ReasonNoRetry {
		return ReasonNoRetry
	}
	return ReasonRejected
}

// failed decides after a failure that a retry might mend.
func (c *Call) failed(o Outcome) {
	reason := c.plan(o)
	if reason == ReasonNoRetry || reason == ReasonHint || o.NoRetry {
		c.closed = reason
		c.withdraw()
	}
	if c.closed != ReasonNone {
		reason = c.closed
	}
	// A retryable failure never beats an attempt still under way.
	if c.n == 0 && !c.pending {
		c.stop(reason)
	}
}

// plan schedules a retry, or says why there is none.
func (c *Call) plan(o Outcome) Reason {
	switch {
	case o.NoRetry:
		return o.Why()
	case c.closed != ReasonNone:
		return c.closed
	case o.After > c.p.maxHint:
		return ReasonHint
	case c.pending:
		return c.postpone(o)
	case c.spent():
		return ReasonMaxAttempts
	}
	delay, ok := c.delay(o)
	if !ok {
		return ReasonMaxAttempts
	}
	due := later(c.at, delay)
	if c.tooLate(due) {
		return ReasonDeadline
	}
	permit, ok := c.p.admit(c.now, budget.Retry, o.evidence(), c.held)
	if !ok {
		return ReasonBudget
	}
	c.pending, c.due, c.paid = true, due, permit
	return ReasonNone
}

// postpone puts the pending retry off if a second failure came with a longer wait.
func (c *Call) postpone(o Outcome) Reason {
	if o.After < minHint {
		return ReasonNone
	}
	due := later(c.at, c.hint(o.After))
	if c.tooLate(due) {
		c.withdraw()
		return ReasonDeadline
	}
	c.due = max(c.due, due)
	return ReasonNone
}

// delay is the wait before the next retry. ok is false if a Stateful strategy wants no further attempt.
func (c *Call) delay(o Outcome) (d time.Duration, ok bool) {
	if o.After >= minHint {
		c.wait, c.prev, c.own = 0, 0, nil // gRFC A6: pushback resets the backoff
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
	u := 0.0
	if !c.p.steady {
		u = c.p.unit()
	}
	d = strategy.Delay(c.wait, c.prev, u)
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
