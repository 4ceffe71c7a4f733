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
	MaxAttempts      int              // sends in all, hedges included; less than 1 sets no limit
	Backoff          backoff.Strategy // the wait before a retry; nil: none
	ThrottledBackoff backoff.Strategy // the wait after a Throttled outcome; nil: Backoff
	MaxHint          time.Duration    // the longest wait that a server may ask for; 0 sets no limit
	Pause            Pause            // what servers asked of other calls; nil: each call finds out by itself
	ResetAfter       time.Duration    // an attempt that ran so long before it failed begins the call anew; 0: none does
	MaxElapsed       time.Duration    // how long after the call began it may be sent again; 0 sets no limit
	Budget           budget.Budget    // what retries and hedges may cost; nil affords them all
	Unknown          budget.Budget    // what retries after errors that no classifier knows may cost; nil: Budget
	AttemptTimeout   timeout.Limit    // how long an attempt may take; nil: without limit
	Hedge            timeout.Limit    // how long an attempt may be silent before a hedge; nil never hedges
	Rand             func() float64   // the source of jitter, in [0, 1); nil: math/rand/v2
	Off              func() bool      // reports whether retries and hedges are switched off now; nil: never
}

// Options describe one call.
type Options struct {
	Deadline time.Time // of the caller; zero: none
	Hedge    bool      // attempts may run side by side; the call is hedged only if its Rules say so too
	Reset    bool      // Rules.ResetAfter applies: an attempt is a run of something, and no request that waits
	PauseKey string    // Rules.Pause is asked about the calls with the same key
}

// First is a first attempt that was sent outside a Call and has not ended.
type First struct {
	Permit budget.Permit // of the Rules' Budget
	Sent   time.Time     // zero if it was not timed
}

// Start begins a call whose first attempt is not sent yet.
func (r *Rules) Start(now time.Time, o Options) (c Call) {
	c.init(r, now, o)
	return c
}

// Resume returns a Call whose first attempt was sent outside it: a call that succeeds at once then
// costs no more than its budget's Begin and End. The attempt is under way until Done(now, 1,
// outcome).
func (r *Rules) Resume(now time.Time, f First, o Options) (c Call) {
	c.init(r, now, o)
	sent := time.Duration(untimed)
	if !f.Sent.IsZero() {
		sent = f.Sent.Sub(now)
		c.from = min(sent, 0)
	}
	c.launch(budget.First, f.Permit, false, sent)
	if sent == untimed {
		c.lastSent = 0 // a hedge is better late than at once
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

// spent reports whether a call that was sent so often may not be sent again.
func (r *Rules) spent(sent int) bool { return r.MaxAttempts > 0 && sent >= r.MaxAttempts }

// off reports whether nothing is sent a second time now.
func (r *Rules) off() bool { return r.Off != nil && r.Off() }

// attemptTimeout returns what the next attempt may take, 0 for no limit.
func (r *Rules) attemptTimeout() time.Duration {
	if r.AttemptTimeout == nil {
		return 0
	}
	return r.AttemptTimeout.Timeout()
}

// usual returns what an attempt usually takes, 0 if no limit measures it, or one of a user's own
// says less.
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
