package call

import (
	"math/rand/v2"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// Rules holds the policy for calls to one destination, and that destination's own budget and
// limits. They do not change while a Call uses them. The zero value retries without limit or wait.
type Rules struct {
	Destination      string           // its name, for reports and errors
	MaxAttempts      int              // total sends, hedges included; less than 1 sets no limit
	Backoff          backoff.Strategy // the wait before a retry; nil: none
	ThrottledBackoff backoff.Strategy // the wait after a Throttled outcome; nil: Backoff
	MaxHint          time.Duration    // the longest wait that a server may ask for; 0 sets no limit
	Pause            Pause            // the waits that servers asked other calls for; nil: calls do not share them
	ResetAfter       time.Duration    // a failed attempt that ran this long begins the call anew; 0: none does
	MaxElapsed       time.Duration    // how long after the call began an attempt may be sent; 0 sets no limit
	Budget           budget.Budget    // pays for retries and hedges; nil sets no limit
	Unknown          budget.Budget    // pays for retries after errors that no classifier knows; nil: Budget does
	AttemptTimeout   timeout.Limit    // how long an attempt may take; nil: without limit
	Hedge            timeout.Limit    // how long an attempt may be silent before a hedge; nil never hedges
	Rand             func() float64   // the source of jitter, in [0, 1); nil: math/rand/v2
	Off              func() bool      // reports whether retries and hedges are switched off now; nil: never
}

// Options describes one call.
type Options struct {
	Deadline time.Time // of the caller; zero: none
	Hedge    bool      // attempts may run side by side; the call is hedged only if its Rules say so too
	Reset    bool      // Rules.ResetAfter applies: an attempt is a run of an operation, not a request
	PauseKey string    // calls with the same key share the waits of Rules.Pause
}

// First is a first attempt that was sent outside a Call and has not ended.
type First struct {
	Permit budget.Permit // of Rules.Budget
	Sent   time.Time     // zero if it was not timed
}

// Start begins a call whose first attempt is not sent yet.
func (r *Rules) Start(now time.Time, o Options) (c Call) {
	c.init(r, now, o)
	return c
}

// Resume returns a Call whose first attempt was sent before there was a Call, so that a call which
// succeeds at once needs only its budget's Begin and End. The attempt is under way until Done(now,
// 1, outcome).
func (r *Rules) Resume(now time.Time, f First, o Options) (c Call) {
	c.init(r, now, o)
	sent := time.Duration(untimed)
	if !f.Sent.IsZero() {
		sent = f.Sent.Sub(now)
		c.elapsedFrom = min(sent, 0)
	}
	c.launch(budget.First, f.Permit, false, sent)
	if sent == untimed {
		c.lastSent = 0 // unknown: the wait for a hedge begins now
	}
	return c
}

// unit returns a random number in [0, 1), whatever Rand returns.
func (r *Rules) unit() float64 {
	if r.Rand == nil {
		return rand.Float64()
	}
	if u := r.Rand(); u >= 0 && u < 1 {
		return u
	}
	return 0
}

// spent reports whether MaxAttempts allows no attempt after the given number of them.
func (r *Rules) spent(sent int) bool { return r.MaxAttempts > 0 && sent >= r.MaxAttempts }

// off reports whether retries and hedges are switched off now.
func (r *Rules) off() bool { return r.Off != nil && r.Off() }

// attemptTimeout returns how long the next attempt may take, 0 for no limit.
func (r *Rules) attemptTimeout() time.Duration {
	if r.AttemptTimeout == nil {
		return 0
	}
	return r.AttemptTimeout.Timeout()
}

// usual returns how long an attempt usually takes, or 0 if no limit measures it. It is never
// negative, even if a user's Learner is wrong.
func (r *Rules) usual() time.Duration {
	if l, ok := r.AttemptTimeout.(timeout.Learner); ok {
		return max(0, l.Usual())
	}
	if l, ok := r.Hedge.(timeout.Learner); ok {
		return max(0, l.Usual())
	}
	return 0
}

// learn adds the duration of an attempt to the limits, unless the attempt neither answered nor
// stayed silent.
func (r *Rules) learn(now time.Time, took time.Duration, o *Outcome) {
	if !o.answered() && !o.silent() {
		return
	}
	for _, limit := range [...]timeout.Limit{r.AttemptTimeout, r.Hedge} {
		if l, ok := limit.(timeout.Learner); ok {
			l.Observe(now, took, o.answered())
		}
	}
}
