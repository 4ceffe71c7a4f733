package experiments

import (
	"fmt"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// Policy is a row's policy under the name that tables and JSON know it by.
type Policy struct {
	Name   string
	Config retry.Config

	user bool
}

// UserPolicy returns a policy that is not one of the named ones: a row of its own, which must hold
// nothing.
func UserPolicy(name string, cfg retry.Config) Policy {
	return Policy{Name: "user:" + name, Config: cfg, user: true}
}

// immediate is how the published models retry.
var immediate = backoff.None()

// defaultWaits are what a policy waits that says nothing.
var defaultWaits = backoff.FullJitter(50*time.Millisecond, 20*time.Second)

// named are the policies of the published models, which all retry at once; evenkeel's budgets are
// compared under the same conditions.
var named = []Policy{
	atOnce("none", 1, budget.Unlimited{}),
	atOnce("retries-3", 4, budget.Unlimited{}),
	atOnce("brooker", retry.Unlimited, budget.TokenBucket{}),
	atOnce("brooker-success", 4, budget.TokenBucket{OnSuccess: true}),
	atOnce("grpc", 4, budget.GRPC{}),
	atOnce("aws", 3, budget.AWS{}),
	atOnce("aws-2026", 3, budget.AWS{Mode: budget.AWS2026}),
	atOnce("finagle", 4, budget.Finagle{}),
	atOnce("finagle-0", 4, budget.Finagle{MinPerSecond: -1}),
	atOnce("envoy", 4, budget.Concurrency{}),
	atOnce("sre", 3, budget.Ratio{}),
	atOnce("evenkeel", 0, budget.Adaptive{}),
	atOnce("evenkeel-strict", 0, budget.Adaptive{Strict: true}),
}

func atOnce(name string, attempts int, b budget.Spec) Policy {
	return Policy{Name: name, Config: retry.Config{
		MaxAttempts: attempts, Backoff: immediate, ThrottledBackoff: immediate, Budget: b,
	}}
}

// Policies returns the named policies, in that order, and the user's own.
func (o Options) Policies(names ...string) []Policy {
	var ps []Policy
	for _, name := range names {
		ps = append(ps, policyNamed(name))
	}
	return append(ps, o.User...)
}

func policyNamed(name string) Policy {
	for _, p := range named {
		if p.Name == name {
			return p
		}
	}
	panic(fmt.Sprintf("no policy is named %q", name))
}

// as returns the policy under another name.
func (p Policy) as(name string) Policy {
	p.Name = name
	return p
}

// attempts returns the policy with another MaxAttempts; a user's own policy stays as it is, and so
// does one that never retries.
func (p Policy) attempts(n int) Policy {
	if !p.user && p.Config.MaxAttempts != 1 {
		p.Config.MaxAttempts = n
	}
	return p
}

// timeout returns the policy with the model's attempt timeout, unless a user's own has one.
func (p Policy) timeout(d time.Duration) Policy {
	if p.Config.AttemptTimeout == nil {
		p.Config.AttemptTimeout = timeout.Fixed(d)
	}
	return p
}
