package retry

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/conf"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// defaultMaxDestinations bounds how many destinations a policy keeps state for.
const defaultMaxDestinations = 1024

// Policy is the rules of a Config together with the state of one destination: its budget and what was learned of its
// latency. The rules never change. It is safe for concurrent use.
type Policy struct {
	plain bool   // light, neither timed nor hedged, and with the default budget: what nearly every call meets
	light bool   // a first attempt needs no clock, observer or gate, and leaves nothing behind if it panics
	clock bool   // a first attempt must be timed
	place *place // in the family's table
	state
	rules
	destination string
	family      *family
}

// rules are what all destinations of one policy share.
type rules struct {
	maxAttempts int
	backoff     backoff.Strategy
	throttled   backoff.Strategy
	stateful    bool // one of the two is backoff.Stateful
	steady      bool // both are backoff.Steady, and random is not WithRand's, which is asked whatever the strategy
	maxHint     time.Duration
	classify    func(error) Outcome
	observer    Observer
	random      func() float64      // WithRand's, nil: math/rand/v2's
	classifier  func(error) Outcome // what WithClassifier gave, nil if nothing
	observed    bool                // the observer is one of the options of this New or Reload
	maxDests    int
	cfg         Config // with its defaults; what a call looks at stands above, close together
}

// Option sets what is code and not data.
type Option func(*rules) error

// WithClassifier replaces the way Do and DoValue tell what an error means; the default is Classify, to which a
// cenkalti BackOff as the policy's strategy adds that library's PermanentError. It is called for errors that are not
// nil and not the context's doing, by any number of goroutines at a time.
func WithClassifier(classify func(error) Outcome) Option {
	return func(r *rules) error {
		if classify == nil {
			return conf.Errorf("WithClassifier", "must not be nil")
		}
		r.classifier = classify
		return nil
	}
}

// WithObserver tells o of every attempt and of every call's end. Given more than once, each is told, in order.
func WithObserver(o Observer) Option {
	return func(r *rules) error {
		if o == nil {
			return conf.Errorf("WithObserver", "must not be nil")
		}
		if r.observed {
			o = observers{r.observer, o}
		}
		r.observer, r.observed = o, true
		return nil
	}
}

// WithRand replaces the source of jitter, which is math/rand/v2's. It must return numbers in [0, 1) and be safe for
// concurrent use; one with a seed makes a simulation repeatable.
func WithRand(random func() float64) Option {
	return func(r *rules) error {
		if random == nil {
			return conf.Errorf("WithRand", "must not be nil")
		}
		r.random = random
		return nil
	}
}

// WithMaxDestinations bounds how many destinations the policy keeps state for; the default is 1,024. Over it, a
// destination that was not used lately is forgotten. If it comes back it starts anew, but if its budget had been spent
// on, it affords no retry until an attempt has succeeded: an outage of more destinations than the policy keeps must not
// look new to each of them. The policy remembers eight times as many names for that; where even those do not suffice
// in an outage, every new name starts like this. Known names are found without a lock.
func WithMaxDestinations(n int) Option {
	return func(r *rules) error {
		if n < 1 {
			return conf.Errorf("WithMaxDestinations", "must be at least 1, not %d", n)
		}
		r.maxDests = n
		return nil
	}
}

// New makes a policy. Its error names every field that is wrong, by its path.
func New(cfg Config, opts ...Option) (*Policy, error) {
	return build(cfg, nil, opts)
}

// Must is for policies that are part of the program: it panics if New returned an error.
func Must(p *Policy, err error) *Policy {
	if err != nil {
		panic(err)
	}
	return p
}

// Reload makes a policy of new rules that goes on with p's state: each destination that p knows keeps its budget and
// what was learned of its latency as far as their Specs have not changed, so that a reload in the middle of an outage
// does not refill every budget. p stays as it is, and shares with the new policy what that kept. Options of p hold on
// unless given anew. To swap policies in a running program keep the current one in an atomic.Pointer.
func (p *Policy) Reload(cfg Config, opts ...Option) (*Policy, error) {
	return build(cfg, p, opts)
}

// build makes a policy of new rules, with the destination, the code and the state of from, if there is one.
func build(cfg Config, from *Policy, opts []Option) (*Policy, error) {
	r := rules{maxDests: defaultMaxDestinations}
	if from != nil {
		r = from.rules
		r.observed = false
	}
	errs := []error{cfg.validate()}
	for i, opt := range opts {
		if opt == nil {
			errs = append(errs, conf.Errorf("Option", "must not be nil (number %d)", i+1))
			continue
		}
		errs = append(errs, opt(&r))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, &ConfigError{err}
	}
	r.cfg = cfg.withDefaults()
	r.maxAttempts, r.maxHint = r.cfg.MaxAttempts, r.cfg.MaxHint
	r.backoff, r.throttled = r.cfg.Backoff, r.cfg.ThrottledBackoff
	_, one := r.backoff.(backoff.Stateful)
	_, two := r.throttled.(backoff.Stateful)
	r.stateful = one || two
	_, one = r.backoff.(backoff.Steady)
	_, two = r.throttled.(backoff.Steady)
	r.steady = one && two && r.random == nil
	r.classify = classifierOf(r)
	if from == nil {
		return newFamily(r, nil).own, nil
	}
	f := newFamily(r, from.family)
	return f.adopt(from), nil
}

// permanents is implemented by a strategy that comes from another library together with that library's own mark for
// errors that no retry mends (backoff/cenkalti).
type permanents interface{ IsPermanent(error) bool }

// classifierOf is the user's classifier, or Classify, which learns the marks that the strategies brought along.
func classifierOf(r rules) func(error) Outcome {
	if r.classifier != nil {
		return r.classifier
	}
	classify := Classify
	for _, s := range []backoff.Strategy{r.backoff, r.throttled} {
		if known, ok := s.(permanents); ok {
			before := classify
			classify = func(err error) Outcome {
				if o := before(err); o.Class != Transient || !known.IsPermanent(err) {
					return o
				}
				return Outcome{Class: Rejected, Alive: true}
			}
		}
	}
	return classify
}

// ConfigError is what New and Reload return: every mistake in a Config, one a line, each with its field's path.
type ConfigError struct{ err error }

func (e *ConfigError) Error() string { return "retry: bad policy: " + e.err.Error() }

// Unwrap reaches the joined mistakes.
func (e *ConfigError) Unwrap() error { return e.err }

// Config returns the rules, defaults filled in.
func (p *Policy) Config() Config { return p.cfg }

// For returns the policy with the same rules for one destination, with a budget and a latency estimate of its own.
// The same name gives the same policy. The names are bounded (WithMaxDestinations): use hosts, not URLs. The
// empty name is the policy's own destination, the one that New returned it for.
func (p *Policy) For(destination string) *Policy { return p.family.policy(destination) }

// newPolicy makes the policy of one destination, whose state was old under the rules of was.
func (f *family) newPolicy(at *place, was Config, old state, drained bool) *Policy {
	p := &Policy{rules: f.rules, state: newState(f.rules.cfg, was, old, drained), place: at, destination: at.Key, family: f}
	p.clock = !p.timeless || p.learns || p.observer != nil
	p.light = p.simple && !p.clock && p.gate == nil
	p.plain = p.light && p.attempt == nil && p.hedge == nil && p.bucket != nil
	return p
}

// unit is a random number in [0, 1), whatever WithRand was given.
func (r *rules) unit() float64 {
	if r.random == nil {
		return rand.Float64()
	}
	if u := r.random(); u >= 0 && u < 1 {
		return u
	}
	return 0
}

func (p *Policy) attemptTimeout() time.Duration {
	if p.attempt == nil {
		return 0
	}
	return p.attempt.Timeout()
}

// usual is what an attempt usually takes; 0 if nobody measures.
func (s *state) usual() time.Duration {
	if l, ok := s.attempt.(timeout.Learner); ok {
		return l.Usual()
	}
	if l, ok := s.hedge.(timeout.Learner); ok {
		return l.Usual()
	}
	return 0
}

// learn tells the limits that an attempt took so long. What neither answered nor stayed silent says nothing.
func (s *state) learn(now time.Time, took time.Duration, o Outcome) {
	if !o.answered() && !o.silent() {
		return
	}
	if l, ok := s.attempt.(timeout.Learner); ok {
		l.Observe(now, took, o.answered())
	}
	if l, ok := s.hedge.(timeout.Learner); ok {
		l.Observe(now, took, o.answered())
	}
}

// begin, admit and end spare the default budget the interface.
func (s *state) begin(now time.Time) budget.Permit {
	if s.bucket != nil {
		return s.bucket.Begin(now)
	}
	return s.budget.Begin(now)
}

func (s *state) admit(now time.Time, k budget.Kind, e budget.Evidence, held budget.Permit) (budget.Permit, bool) {
	if s.bucket != nil {
		return s.bucket.Admit(now, k, e, held)
	}
	return s.budget.Admit(now, k, e, held)
}

func (s *state) end(now time.Time, p budget.Permit, e budget.Evidence) {
	if s.bucket != nil {
		s.bucket.End(now, p, e)
		return
	}
	s.budget.End(now, p, e)
}

// First is a first attempt that was told to the budget and has not ended.
type First struct {
	sent   time.Time // zero unless the policy times its attempts
	permit budget.Permit
}

// Plain reports whether a first attempt of this policy needs nothing but Begin and Succeed around it. Otherwise use
// Run, which does all that hedging, an attempt timeout, an observer, a gate or a budget with a clock need.
func (p *Policy) Plain() bool { return p.plain || p.light && p.attempt == nil && p.hedge == nil }

// Hedges reports whether the policy hedges calls that may be sent twice.
func (p *Policy) Hedges() bool { return p.hedge != nil && p.maxAttempts != 1 }

// Begin tells the budget of a first attempt, for a driver that keeps it outside the state machine. Each First must
// come to Succeed or Resume, once.
func (p *Policy) Begin() First {
	if p.plain {
		return First{permit: p.bucket.Begin(time.Time{})}
	}
	return p.beginOther()
}

// beginOther is apart so that Begin is inlined.
func (p *Policy) beginOther() First {
	var now time.Time
	if p.clock {
		now = time.Now()
	}
	return First{now, p.begin(now)}
}

// Succeed ends a first attempt that succeeded.
func (p *Policy) Succeed(f First) {
	if p.plain {
		p.bucket.End(time.Time{}, f.permit, budget.Alive)
		return
	}
	p.succeedOther(f)
}

func (p *Policy) succeedOther(f First) {
	var now time.Time
	if p.clock {
		now = time.Now()
	}
	p.succeed(now, f)
}

func (p *Policy) succeed(now time.Time, f First) {
	p.end(now, f.permit, budget.Alive)
	if p.learns { // last: a user's Limit may panic
		p.learn(now, now.Sub(f.sent), Outcome{})
	}
}
