package retry

import (
	"errors"
	"reflect"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/conf"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// Unlimited as Config.MaxAttempts sets no limit: the budget, the deadline and the context still
// do.
const Unlimited = -1

const (
	hintCall        = "call"
	hintDestination = "destination"

	minReset = time.Second // how often a call begins anew at most

	defaultMaxAttempts = 3
	defaultMaxHint     = time.Minute
)

// Config is the rules of a policy as plain data, with JSON in and out. The zero value is a good
// policy.
type Config struct {
	// MaxAttempts limits how often a call is sent, hedges included. 0 means 3; 1 never retries and
	// never hedges. An attempt that a live connection handed back unprocessed (GOAWAY,
	// REFUSED_STREAM) is sent again without being counted, by every driver: twice at once, and
	// then with waits for as long as other attempts succeed, up to half a minute (twice in all
	// with a budget that is no budget.Counter). With 1, httpx and grpcx do not do that either.
	MaxAttempts int
	// Backoff is the wait before a retry. nil means backoff.FullJitter(50ms, 20s).
	Backoff backoff.Strategy
	// ThrottledBackoff is the wait after a Throttled outcome. nil means backoff.FullJitter(1s,
	// 20s).
	ThrottledBackoff backoff.Strategy
	// Budget limits the retries and hedges of all calls to a destination. nil means
	// budget.Adaptive{}.
	Budget budget.Spec
	// AttemptTimeout bounds each attempt. nil means that only the call's own deadline does.
	AttemptTimeout timeout.Spec
	// Hedge is how long an attempt may be silent before another is sent beside it. nil never
	// hedges. It is used by DoValue, by httpx and by unary grpcx, for calls that may be sent
	// twice.
	Hedge timeout.Spec
	// MaxHint is the longest wait that a server may ask for; a longer one stops the call. 0 means
	// one minute. The wait that follows is the server's and up to a quarter more.
	MaxHint time.Duration
	// HintScope is who obeys a wait that a server asks for. "call", or "", is the call that was
	// answered so. With "destination" the calls to the same destination which are not sent yet
	// wait as well, and those whose deadline is sooner stop at once (ReasonPaused).
	// httpx.WithHintKey and grpcx.WithHintKey narrow it to the calls of one tenant.
	HintScope string
	// MaxElapsed is how long after a call has begun it may be sent again, retries and hedges
	// alike. It cuts no attempt that is under way, and no wait begins that would end after it
	// (ReasonMaxElapsed). 0 sets no limit. To bound the whole call, give its context a deadline.
	MaxElapsed time.Duration
	// ResetAfter lets an operation of Do or DoValue begin anew that ran for so long before it
	// failed, such as a watch whose connection was lost: attempts, backoff and MaxElapsed count
	// from there, and the run is no failure to the budget. The budget still decides on each retry.
	// 0 is off; at least 1s. The requests of httpx and grpcx do not begin anew: one that takes
	// long has waited, not run, as has an attempt that AttemptTimeout ended.
	ResetAfter time.Duration
}

// validate reports every mistake, each with its field's path.
func (c Config) validate() error {
	var errs []error
	if c.MaxAttempts < Unlimited {
		errs = append(errs, conf.Errorf("MaxAttempts", "must be at least 1, 0 for the default or Unlimited, not %d", c.MaxAttempts))
	}
	if c.MaxHint < 0 {
		errs = append(errs, conf.Errorf("MaxHint", "must not be negative, not %v", c.MaxHint))
	}
	if c.MaxElapsed < 0 {
		errs = append(errs, conf.Errorf("MaxElapsed", "must not be negative, not %v", c.MaxElapsed))
	}
	if c.ResetAfter != 0 && c.ResetAfter < minReset {
		errs = append(errs, conf.Errorf("ResetAfter", "must be at least %v, or 0 for none, not %v", minReset, c.ResetAfter))
	}
	switch c.HintScope {
	case "", hintCall, hintDestination:
	default:
		errs = append(errs, conf.Errorf("HintScope", "must be %q or %q, not %q", hintCall, hintDestination, shortened(c.HintScope)))
	}
	check := func(field string, v any) {
		if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && r.IsNil() {
			errs = append(errs, conf.Errorf(field, "must not be a nil %T", v))
		} else if v, ok := v.(interface{ Validate() error }); ok {
			errs = append(errs, conf.In(field, v.Validate()))
		}
	}
	check("Backoff", c.Backoff)
	check("ThrottledBackoff", c.ThrottledBackoff)
	check("Budget", c.Budget)
	check("AttemptTimeout", c.AttemptTimeout)
	check("Hedge", c.Hedge)
	return errors.Join(errs...)
}

// shortened returns as much of a value from the input as an error may show.
func shortened(s string) string { return s[:min(len(s), 64)] }

// withDefaults fills in what the zero value stands for.
func (c Config) withDefaults() Config {
	if c.MaxAttempts == 0 {
		c.MaxAttempts = defaultMaxAttempts
	}
	if c.Backoff == nil {
		c.Backoff = backoff.FullJitter(50*time.Millisecond, 20*time.Second)
	}
	if c.ThrottledBackoff == nil {
		c.ThrottledBackoff = backoff.FullJitter(time.Second, 20*time.Second)
	}
	if c.Budget == nil {
		c.Budget = budget.Adaptive{}
	}
	if c.MaxHint == 0 {
		c.MaxHint = defaultMaxHint
	}
	return c
}
