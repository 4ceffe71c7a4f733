package retry

import (
	"slices"
	"sync/atomic"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// defaultMaxDestinations bounds how many destinations a policy keeps state for.
const defaultMaxDestinations = 1024

// Option sets a part of a policy that is code and not data.
type Option func(*rules) error

// WithClassifier sets the function that classifies the errors of Do and DoValue. The default is
// [Classify]; a strategy of package backoff/cenkalti adds that library's PermanentError. The
// function is called for errors that are neither nil nor caused by the context, by any number of
// goroutines at a time.
func WithClassifier(classify func(error) Outcome) Option {
	return func(r *rules) error {
		r.classifier = classify
		return conf.Check(classify != nil, "WithClassifier", "must not be nil")
	}
}

// WithPermanent names errors that no retry helps with and that say nothing against the
// destination, such as sql.ErrNoRows or redis.Nil: a call of Do or DoValue ends with one that
// errors.Is finds. It goes before every classifier. Given more than once, all are named. In a
// Reload it replaces those named before.
func WithPermanent(errs ...error) Option {
	return func(r *rules) error {
		for i, err := range errs {
			if err == nil {
				return conf.Errorf("WithPermanent", "must not be nil (number %d)", i+1)
			}
		}
		if !r.named {
			r.permanent = nil
		}
		r.permanent, r.named = append(slices.Clip(r.permanent), errs...), true
		return nil
	}
}

// WithObserver reports every attempt and every call's end to o. Given more than once, the
// observers are called in order.
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

// WithRand replaces the source of jitter, which is math/rand/v2's. It must return numbers in [0,
// 1) and be safe for concurrent use; one with a seed makes a simulation repeatable.
func WithRand(random func() float64) Option {
	return func(r *rules) error {
		r.random = random
		return conf.Check(random != nil, "WithRand", "must not be nil")
	}
}

// WithSwitch disables retries and hedges while off is true, for everything that uses the policy: a
// call then makes one attempt, and one that waits for its next attempt stops (ReasonDisabled) when
// that is due at the latest. Attempts under way go on. Budgets and latency estimates still record
// first attempts.
func WithSwitch(off *atomic.Bool) Option {
	return func(r *rules) error {
		if off == nil {
			return conf.Errorf("WithSwitch", "must not be nil")
		}
		r.off = off.Load
		return nil
	}
}

// WithMaxDestinations limits how many destinations the policy keeps state for; the default is
// 1,024. When there are more, the policy forgets one that was not used lately. If that one is used
// again, it starts with a new budget; but if its old budget was partly used up, the new one grants
// no retry until an attempt has succeeded. Otherwise an outage of more destinations than the limit
// would give each of them a full budget again and again. The policy keeps up to eight times n
// names for this. If an outage exceeds even that, every new name starts without retries.
func WithMaxDestinations(n int) Option {
	return func(r *rules) error {
		r.maxDests = n
		return conf.Check(n >= 1, "WithMaxDestinations", "must be at least 1, not %d", n)
	}
}
