package retry

import (
	"cmp"
	"errors"
	"slices"
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
	// never hedges; Unlimited sets no limit.
	//
	// An attempt that a live connection returned unprocessed (GOAWAY, REFUSED_STREAM) is not
	// counted, and is sent again: twice without a wait, then with waits while other attempts
	// succeed, for up to 30s. A budget that is no budget.Counter allows only the first two. With
	// MaxAttempts 1, httpx and grpcx do not send it again.
	MaxAttempts int
	// Backoff chooses the wait before a retry. nil means backoff.FullJitter(50ms, 20s).
	Backoff backoff.Strategy
	// ThrottledBackoff chooses the wait after a Throttled outcome. nil means
	// backoff.FullJitter(1s, 20s).
	ThrottledBackoff backoff.Strategy
	// Budget limits the retries and hedges of all calls to a destination. nil means
	// budget.Adaptive{}.
	Budget budget.Spec
	// AttemptTimeout bounds each attempt. nil means that only the call's own deadline does.
	AttemptTimeout timeout.Spec
	// Hedge sets how long an attempt may take before another one is sent in parallel. nil means
	// that calls are never hedged. DoValue, httpx and the unary interceptor of grpcx use it, for
	// calls that may be sent twice.
	Hedge timeout.Spec
	// MaxHint is the longest wait that a server may ask for, such as by Retry-After; a longer one
	// stops the call (ReasonHint). The call waits as long as the server asks and, at random, up to
	// a quarter longer. 0 means 1m.
	MaxHint time.Duration
	// HintScope sets which calls obey a server that asks for a wait. With "call", or "", the call
	// that got this answer does. With "destination", so does each call to the same destination
	// that has not been sent yet; a call whose deadline is sooner stops at once (ReasonPaused).
	// httpx.WithHintKey and grpcx.WithHintKey limit this to the calls of one tenant.
	HintScope string
	// MaxElapsed is how long after its start a call may send retries and hedges. A call that would
	// have to wait longer stops at once (ReasonMaxElapsed); attempts under way are not canceled. 0
	// sets no limit. To limit the whole call, give its context a deadline.
	MaxElapsed time.Duration
	// ResetAfter is for operations of Do and DoValue that run for long, such as a watch: if one
	// ran for at least this long before it failed, attempts, backoff and MaxElapsed count from
	// that failure, and the budget counts a success. The budget still decides on each retry. An
	// attempt that AttemptTimeout ended does not reset its call, nor does a request of httpx or
	// grpcx. 0 means never; at least 1s.
	ResetAfter time.Duration
}

// validate reports every mistake, each with its field's path.
func (c Config) validate() error {
	scopes := []string{"", hintCall, hintDestination}
	return errors.Join(
		conf.Check(c.MaxAttempts >= Unlimited, "MaxAttempts",
			"must be at least 1, 0 for the default or Unlimited, not %d", c.MaxAttempts),
		conf.Check(c.MaxHint >= 0, "MaxHint", "must not be negative, not %v", c.MaxHint),
		conf.Check(c.MaxElapsed >= 0, "MaxElapsed", "must not be negative, not %v", c.MaxElapsed),
		conf.Check(c.ResetAfter == 0 || c.ResetAfter >= minReset, "ResetAfter",
			"must be at least %v, or 0 for none, not %v", minReset, c.ResetAfter),
		conf.Check(slices.Contains(scopes, c.HintScope), "HintScope",
			"must be %q or %q, not %q", hintCall, hintDestination, shortened(c.HintScope)),
		conf.CheckPart("Backoff", c.Backoff),
		conf.CheckPart("ThrottledBackoff", c.ThrottledBackoff),
		conf.CheckPart("Budget", c.Budget),
		conf.CheckPart("AttemptTimeout", c.AttemptTimeout),
		conf.CheckPart("Hedge", c.Hedge),
	)
}

// shortened returns as much of a value from the input as an error may show.
func shortened(s string) string { return s[:min(len(s), 64)] }

// withDefaults fills in what the zero value stands for.
func (c Config) withDefaults() Config {
	c.MaxAttempts = cmp.Or(c.MaxAttempts, defaultMaxAttempts)
	c.Backoff = cmp.Or(c.Backoff, backoff.FullJitter(50*time.Millisecond, 20*time.Second))
	c.ThrottledBackoff = cmp.Or(c.ThrottledBackoff, backoff.FullJitter(time.Second, 20*time.Second))
	c.Budget = cmp.Or[budget.Spec](c.Budget, budget.Adaptive{})
	c.MaxHint = cmp.Or(c.MaxHint, defaultMaxHint)
	return c
}
