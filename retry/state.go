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
	unknown *drive.Unknown // pays for errors that no classifier knows; nil: budget does
	attempt timeout.Limit  // nil: no attempt timeout
	hedge   timeout.Limit  // nil: no hedging
}

// state returns the state of p's destination.
func (p *Policy) state() state {
	d := &p.drive
	return state{budget: d.Budget, unknown: d.Spare, attempt: d.AttemptTimeout, hedge: d.Hedge}
}

// newState returns the state that c's Specs describe. old and was are the previous state and the
// Config that built it; parts whose Spec is unchanged are reused. New budgets start empty if
// drained is set.
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

// newLimit returns the limit that spec describes: old, if was, its Spec, is the same.
func newLimit(spec, was timeout.Spec, old timeout.Limit) timeout.Limit {
	switch {
	case spec == nil:
		return nil
	case old != nil && same(spec, was):
		return old
	}
	return spec.New()
}

// same reports whether two Specs have the same data. Pointers in them (budget.Shared) must be
// equal: they point to a live budget, not to data.
func same(a, b any) bool {
	if va := reflect.ValueOf(a); va.IsValid() && va.Comparable() {
		return a == b
	}
	return reflect.DeepEqual(a, b)
}

type (
	table = dest.Table[string, *Policy] // the policies of named destinations
	place = dest.Entry[string, *Policy] // one policy's entry there
)

// family holds the policies of one set of rules, one for each destination.
type family struct {
	rules  rules
	own    *Policy      // for the destination ""
	named  *table       // for all others
	pauses *dest.Pauses // waits that servers asked for, which other calls obey, too; nil: they do not
}

// newFamily returns a family that keeps the state of from's destinations, if from is not nil.
func newFamily(r rules, from *family) *family {
	f := &family{rules: r, pauses: newPauses(r, from)}
	isSpent := dest.Spent(r.cfg.Budget)
	spent := func(p *Policy) bool { return isSpent(p.drive.Budget) || p.drive.Spare.Spent() }
	if from == nil {
		f.own = f.newPolicy(dest.Pinned[string, *Policy](""), Config{}, state{}, false)
		f.named = dest.New[string](r.maxDests, spent)
		return f
	}
	was := from.rules.cfg
	f.own = f.newPolicy(dest.Pinned[string, *Policy](""), was, from.own.state(), false)
	f.named = from.named.Copy(r.maxDests, spent, func(at *place, old *Policy) *Policy {
		return f.newPolicy(at, was, old.state(), false)
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

// policy returns the policy of a destination, which it adds if necessary.
func (f *family) policy(destination string) *Policy {
	if destination == "" {
		return f.own
	}
	if at, ok := f.named.Get(destination); ok {
		return at.Value
	}
	return f.add(destination, Config{}, state{})
}

// add returns the policy of a named destination. If it adds one, that starts with what newState
// reuses of old and was.
func (f *family) add(destination string, was Config, old state) *Policy {
	return f.named.GetOrAdd(destination, func(at *place, drained bool) *Policy {
		return f.newPolicy(at, was, old, drained)
	}).Value
}

// adopt returns f's policy of p's destination. If f does not have one, because the table that p
// came from has forgotten p, it adds one with p's state.
func (f *family) adopt(p *Policy) *Policy {
	if p.name() == "" {
		return f.own
	}
	return f.add(p.name(), p.Config(), p.state())
}

// current marks p's destination as used, and returns the policy that For returns for it. That is p
// unless the table has forgotten p, which the caller kept without using it for too long.
func (p *Policy) current() *Policy {
	if p.place.Touch() {
		return p
	}
	return p.family.named.Rejoin(p.place).Value
}

// name returns the policy's destination.
func (p *Policy) name() string { return p.drive.Destination }
