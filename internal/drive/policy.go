// Package drive implements the drivers of package call: one makes a call's attempts one after the
// other, one lets them race. Do, DoValue, HTTP and unary gRPC share them. They own what a
// call.Call does without: contexts, timers, clocks, goroutines, observers.
package drive

import (
	"context"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/dest"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// Policy holds the part of a *retry.Policy that drivers need.
type Policy struct {
	call.Rules
	Classify func(error) call.Outcome // the outcome of an operation's error, for Do and DoValue
	Explicit bool                     // Classify is the user's, and its outcome is not changed
	Observer Observer                 // nil: none

	// Prepare sets the fields below.

	Spare *Unknown // Rules.Unknown, if that is of this type; nil: it is not
	// Fast is set if a first attempt that succeeds needs nothing but the budget's Begin and End
	// around it, and one that panics may leave its permit open (budget.Stateless).
	Fast  bool
	clock bool        // an observer, a limit, the budget, MaxElapsed or ResetAfter needs an attempt's times
	gated bool        // the budget may refuse even a first attempt
	pause *dest.Pause // call.Rules.Pause; nil: none
}

// Observer is a retry.Observer.
type Observer interface {
	AttemptDone(ctx context.Context, a call.Attempt)
	CallDone(ctx context.Context, r call.Report)
}

// Of returns the Policy in a *retry.Policy: the same one each time. Package retry sets it.
var Of func(policy any) *Policy

// Prepare sets the fields that follow from the others. Call it before any other method.
func (p *Policy) Prepare() {
	p.Spare, _ = p.Unknown.(*Unknown)
	_, timeless := p.Budget.(interface{ Timeless() })
	_, stateless := p.Budget.(interface{ Stateless() })
	_, p.gated = p.Budget.(budget.Gate)
	p.pause, _ = p.Pause.(*dest.Pause)
	_, learnsTimeout := p.AttemptTimeout.(timeout.Learner)
	_, learnsHedge := p.Hedge.(timeout.Learner)
	p.clock = !timeless || learnsTimeout || learnsHedge || p.Observer != nil || p.MaxElapsed > 0 || p.ResetAfter > 0
	p.Fast = !p.clock && !p.gated && stateless && p.AttemptTimeout == nil && p.Hedge == nil && p.Pause == nil
}

// Hedges reports whether calls that may be sent twice are hedged.
func (p *Policy) Hedges() bool { return p.Hedge != nil && p.MaxAttempts != 1 }

// attemptTimeout returns how long a first attempt may take, 0 for no limit.
func (p *Policy) attemptTimeout() time.Duration {
	if p.AttemptTimeout == nil {
		return 0
	}
	return p.AttemptTimeout.Timeout()
}

// Begin reports to the budget a first attempt that is sent without a call.Call. Pass the result to
// Succeed or, if the attempt fails, to Resume.
func (p *Policy) Begin() call.First {
	var now time.Time
	if p.clock {
		now = time.Now()
	}
	return call.First{Permit: p.Budget.Begin(now), Sent: now}
}

// Succeed ends a first attempt that was sent without a call.Call and succeeded. now may be zero if
// f.Sent is.
func (p *Policy) Succeed(now time.Time, f call.First) {
	p.Budget.End(now, f.Permit, budget.Alive)
	if p.Spare != nil {
		p.Spare.Refill()
	}
	if f.Sent.IsZero() {
		return
	}
	for _, limit := range [...]timeout.Limit{p.AttemptTimeout, p.Hedge} { // last: a user's Limit may panic
		if l, ok := limit.(timeout.Learner); ok {
			l.Observe(now, now.Sub(f.Sent), true)
		}
	}
}
