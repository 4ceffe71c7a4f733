package retry

import (
	"reflect"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/dest"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// state holds what belongs to one destination: its budgets and what was learned of its latency.
type state struct {
	budget  budget.Budget
	unknown *drive.Unknown // nil: budget is for all errors
	attempt timeout.Limit  // nil: no attempt timeout
	hedge   timeout.Limit  // nil: no hedging
}

// newState makes what c's Specs describe, taking from old, made by the Specs of was, what has the
// same Spec. New budgets are made drained if it says so.
func newState(c, was Config, old state, drained bool) state {
	var s state
	if old.budget != nil && same(c.Budget, was.Budget) {
		s.budget, s.unknown = old.budget, old.unknown
	} else {
		s.budget = dest.NewBudget(c.Budget, drained)
		if _, unlimited := c.Budget.(budget.Unlimited); !unlimited {
			s.unknown = drive.NewUnknown(drained)
		}
	}
	s.attempt = newLimit(c.AttemptTimeout, was.AttemptTimeout, old.attempt)
	s.hedge = newLimit(c.Hedge, was.Hedge, old.hedge)
	return s
}

func newLimit(spec, was timeout.Spec, old timeout.Limit) timeout.Limit {
	switch {
	case spec == nil:
		return nil
	case old != nil && same(spec, was):
		return old
	}
	return spec.New()
}

// same reports whether two Specs are the same data. One that holds a pointer (budget.Shared) is
// the same only if it is the same pointer: what that points to is alive.
func same(a, b any) bool {
	if va := reflect.ValueOf(a); va.IsValid() && va.Comparable() {
		return a == b
	}
	return reflect.DeepEqual(a, b)
}

// table holds the policies of named destinations.
type (
	table = dest.Table[string, *Policy]
	place = dest.Entry[string, *Policy]
)

// family holds the policies of one set of rules, one for each destination.
type family struct {
	rules  rules
	own    *Policy // for the destination ""
	named  *table
	pauses *dest.Pauses // nil: a wait that a server asks for is the call's alone
}

// newFamily returns a family that keeps the state of from's destinations, if from is not nil.
func newFamily(r rules, from *family) *family {
	f := &family{rules: r, pauses: newPauses(r, from)}
	isSpent := dest.Spent(r.cfg.Budget)
	spent := func(p *Policy) bool { return isSpent(p.state.budget) || p.state.unknown.Spent() }
	if from == nil {
		f.own = f.newPolicy(dest.Pinned[string, *Policy](""), Config{}, state{}, false)
		f.named = dest.New[string](r.maxDests, spent)
		return f
	}
	was := from.rules.cfg
	f.own = f.newPolicy(dest.Pinned[string, *Policy](""), was, from.own.state, false)
	f.named = from.named.Copy(r.maxDests, spent, func(at *place, old *Policy) *Policy {
		return f.newPolicy(at, was, old.state, false)
	})
	return f
}

// newPauses returns from's pauses, if it has some and r wants them.
func newPauses(r rules, from *family) *dest.Pauses {
	switch {
	case r.cfg.HintScope != hintDestination:
		return nil
	case from != nil && from.pauses != nil:
		return from.pauses
	}
	return dest.NewPauses(r.maxDests)
}

func (f *family) policy(destination string) *Policy {
	if destination == "" {
		return f.own
	}
	if at, ok := f.named.Get(destination); ok {
		return at.Value
	}
	return f.add(destination, Config{}, state{})
}

func (f *family) add(destination string, was Config, old state) *Policy {
	return f.named.GetOrAdd(destination, func(at *place, drained bool) *Policy {
		return f.newPolicy(at, was, old, drained)
	}).Value
}

// adopt returns the policy of p's destination, with p's state if the table that p came from has
// forgotten it.
func (f *family) adopt(p *Policy) *Policy {
	if p.name() == "" {
		return f.own
	}
	return f.add(p.name(), p.Config(), p.state)
}

// current marks p's destination as used, and returns the policy that For returns for it. That is
// p, but for a caller who has kept a policy that was not used for so long that its destination was
// forgotten.
func (p *Policy) current() *Policy {
	if p.place.Touch() {
		return p
	}
	return p.family.named.Rejoin(p.place).Value
}

// name returns the policy's destination.
func (p *Policy) name() string { return p.drive.Destination }
