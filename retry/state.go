package retry

import (
	"maps"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// state is what one destination has: its budget and what was learned of its latency.
type state struct {
	budget   budget.Budget
	bucket   *budget.Bucket // the same budget, if it is the default one
	gate     budget.Gate    // nil: the budget is none
	attempt  timeout.Limit  // nil: no attempt timeout
	hedge    timeout.Limit  // nil: no hedging
	timeless bool           // the budget never looks at the time
	simple   bool           // a first attempt that never ends leaves nothing in the budget
	learns   bool           // attempt or hedge is a timeout.Learner
}

// newState makes what c's Specs describe, taking from old, made by the Specs of was, what has the same Spec.
func newState(c, was Config, old state) state {
	var s state
	if old.budget != nil && same(c.Budget, was.Budget) {
		s.budget = old.budget
	} else {
		s.budget = c.Budget.New()
	}
	s.attempt = newLimit(c.AttemptTimeout, was.AttemptTimeout, old.attempt)
	s.hedge = newLimit(c.Hedge, was.Hedge, old.hedge)
	s.bucket, _ = s.budget.(*budget.Bucket)
	s.gate, _ = s.budget.(budget.Gate)
	_, s.timeless = s.budget.(budget.Timeless)
	_, s.simple = s.budget.(budget.Stateless)
	_, a := s.attempt.(timeout.Learner)
	_, h := s.hedge.(timeout.Learner)
	s.learns = a || h
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

// same reports whether two Specs are the same data. One that holds a pointer (budget.Shared) is the same only if
// it is the same pointer: what that points to is alive.
func same(a, b any) bool {
	if va := reflect.ValueOf(a); va.IsValid() && va.Comparable() {
		return a == b
	}
	return reflect.DeepEqual(a, b)
}

// family is the policies of one set of rules, a destination each.
type family struct {
	rules rules
	own   *Policy // the destination ""
	mu    sync.Mutex
	named table
}

// newFamily takes over the state of from's destinations, if there is one.
func newFamily(r rules, from *family) *family {
	f := &family{rules: r}
	if from == nil {
		f.own = f.newPolicy("", Config{}, state{})
		return f
	}
	f.own = f.newPolicy("", from.rules.cfg, from.own.state)
	from.mu.Lock()
	defer from.mu.Unlock()
	for _, old := range from.named.last(r.maxDests) {
		f.named.hand = append(f.named.hand, f.newPolicy(old.destination, from.rules.cfg, old.state))
	}
	f.named.fill()
	return f
}

func (f *family) policy(destination string) *Policy {
	if destination == "" {
		return f.own
	}
	if p, ok := f.named.get(destination); ok {
		return p
	}
	return f.add(destination, Config{}, state{})
}

func (f *family) add(destination string, was Config, old state) *Policy {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p, ok := f.named.get(destination); ok {
		return p
	}
	p := f.newPolicy(destination, was, old)
	f.named.add(p, f.rules.maxDests)
	return p
}

// adopt is the policy of p's destination, with p's state if the table that p came from has forgotten it.
func (f *family) adopt(p *Policy) *Policy {
	if p.destination == "" {
		return f.own
	}
	if same, ok := f.named.get(p.destination); ok {
		return same
	}
	return f.add(p.destination, p.cfg, p.state)
}

// table is a map that is read without a lock and copied to be written (by one at a time), bounded by forgetting
// policies that were not in use since the last time somebody had to go (the clock algorithm, known as second chance).
type table struct {
	entries atomic.Pointer[map[string]*Policy]
	hand    []*Policy // the next to be looked at first
}

// What a table knows of a policy.
const (
	idle      = iota // since the hand passed it
	inUse            // since then
	forgotten        // another has its place, or will
)

func (t *table) get(name string) (*Policy, bool) {
	m := t.entries.Load()
	if m == nil {
		return nil, false
	}
	p, ok := (*m)[name]
	return p, ok && p.Touch()
}

// Touch tells that the policy's destination is in use, as finding it by For does, and reports whether For would still
// find this policy. It is for those who keep what For returned, as httpx does, and costs them a load.
func (p *Policy) Touch() bool {
	switch p.use.Load() {
	case inUse: // a store on each call would pull the line from core to core
		return true
	case idle:
		return p.use.CompareAndSwap(idle, inUse) || p.use.Load() == inUse
	}
	return false
}

func (t *table) add(p *Policy, limit int) {
	next := map[string]*Policy{}
	if old := t.entries.Load(); old != nil {
		next = maps.Clone(*old)
	}
	for len(next) >= limit {
		t.evict(next)
	}
	next[p.destination] = p
	t.hand = append(t.hand, p)
	t.entries.Store(&next)
}

// last are the policies, the first to be evicted first, but no more than limit.
func (t *table) last(limit int) []*Policy { return t.hand[max(0, len(t.hand)-limit):] }

// fill makes the entries of what is in the hand.
func (t *table) fill() {
	m := make(map[string]*Policy, len(t.hand))
	for _, p := range t.hand {
		m[p.destination] = p
	}
	t.entries.Store(&m)
}

// evict takes out the first policy that was not in use since the hand last passed it; where all are in use all the
// time, any.
func (t *table) evict(m map[string]*Policy) {
	for left := 2 * len(t.hand); ; left-- {
		p := t.hand[0]
		t.hand = t.hand[1:]
		if left <= 0 {
			p.use.Store(forgotten)
		}
		if p.use.Load() == forgotten || p.use.CompareAndSwap(idle, forgotten) {
			delete(m, p.destination)
			return
		}
		p.use.Store(idle)
		t.hand = append(t.hand, p)
	}
}
