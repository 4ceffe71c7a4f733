package retry

import (
	"errors"
	"fmt"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/conf"
	"github.com/evenkeel-go/evenkeel/internal/drive"
)

// Policy is the rules of a Config together with the state of one destination: its budget and what
// was learned of its latency. The rules never change. It is safe for concurrent use.
type Policy struct {
	drive  drive.Policy
	place  *place // in the family's table
	family *family
}

func init() {
	drive.Of = func(p any) *drive.Policy { return &p.(*Policy).drive }
}

// rules holds what all destinations of one policy share.
type rules struct {
	cfg        Config // with its defaults
	observer   Observer
	random     func() float64      // nil: math/rand/v2's
	classifier func(error) Outcome // what WithClassifier gave, nil if nothing
	permanent  []error             // what WithPermanent gave
	classify   func(error) Outcome // made by classifierOf
	off        func() bool         // nil: never
	observed   bool                // the observer is one of the options of this New or Reload
	named      bool                // so is permanent
	maxDests   int
}

// New returns a policy. Its error names every field that is wrong, by its path.
func New(cfg Config, opts ...Option) (*Policy, error) {
	return build(cfg, nil, opts)
}

// Must returns p, and panics if New returned an error: it is for policies that are part of the
// program.
func Must(p *Policy, err error) *Policy {
	if err != nil {
		panic(err)
	}
	return p
}

// Config returns the rules, defaults filled in.
func (p *Policy) Config() Config { return p.family.rules.cfg }

// For returns the policy with the same rules for one destination, with a budget and a latency
// estimate of its own. The same name gives the same policy. The names are bounded
// (WithMaxDestinations): use hosts, not URLs. The empty name is the policy's own destination, the
// one that New returned it for.
func (p *Policy) For(destination string) *Policy { return p.family.policy(destination) }

// build makes a policy of new rules, with the destination, the code and the state of from, if
// there is one.
func build(cfg Config, from *Policy, opts []Option) (*Policy, error) {
	r := rules{maxDests: defaultMaxDestinations}
	if from != nil {
		r = from.family.rules
		r.observed, r.named = false, false
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
		return nil, fmt.Errorf("retry: bad policy: %w", err)
	}
	r.cfg = cfg.withDefaults()
	r.classify = classifierOf(r)
	if from == nil {
		return newFamily(r, nil).own, nil
	}
	return newFamily(r, from.family).adopt(from), nil
}

// newPolicy makes the policy of one destination. old and was are the previous state and the Config
// that built it: what has the same Spec is reused. A new budget starts drained if that is set.
func (f *family) newPolicy(at *place, was Config, old state, drained bool) *Policy {
	r := &f.rules
	s := newState(r.cfg, was, old, drained)
	p := &Policy{family: f, place: at}
	p.drive = drive.Policy{Classify: r.classify, Explicit: r.classifier != nil, Observer: r.observer, Rules: call.Rules{
		Destination: at.Key, MaxAttempts: r.cfg.MaxAttempts, Backoff: r.cfg.Backoff,
		ThrottledBackoff: r.cfg.ThrottledBackoff, MaxHint: r.cfg.MaxHint, MaxElapsed: r.cfg.MaxElapsed,
		ResetAfter: r.cfg.ResetAfter, Budget: s.budget, AttemptTimeout: s.attempt, Hedge: s.hedge, Rand: r.random, Off: r.off,
	}}
	if f.pauses != nil {
		p.drive.Pause = f.pauses.Of(at.Key)
	}
	if s.unknown != nil {
		p.drive.Unknown = s.unknown
	}
	p.drive.Prepare()
	return p
}
