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

// newState makes what c's Specs describe, taking from old what was made of the same Spec.
func newState(c, was Config, old state) state {
	s := state{budget: old.budget, attempt: old.attempt, hedge: old.hedge}
	if s.budget == nil || !reflect.DeepEqual(c.Budget, was.Budget) {
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
	case old != nil && reflect.DeepEqual(spec, was):
		return old
	}
	return spec.New()
}

// store keeps the state of destinations across the policies that Reload makes of one another.
type store struct {
	mu   sync.Mutex
	kept table[*kept]
}

type kept struct {
	cfg   Config
	state state
}

func newStore() *store { return new(store) }

// get returns the destination's state under the rules of cfg.
func (s *store) get(destination string, cfg Config, limit int) state {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.kept.get(destination)
	if !ok {
		k = new(kept)
		s.kept.add(destination, k, limit)
	}
	k.state = newState(cfg, k.cfg, k.state)
	k.cfg = cfg
	return k.state
}

// family is the policies of one set of rules, a destination each.
type family struct {
	rules rules
	store *store
	own   *Policy // the destination ""
	mu    sync.Mutex
	named table[*Policy]
}

func newFamily(r rules, s *store) *family {
	f := &family{rules: r, store: s}
	f.own = f.rules.newPolicy("", s.get("", r.cfg, r.maxDests+1), f)
	return f
}

func (f *family) policy(destination string) *Policy {
	if destination == "" {
		return f.own
	}
	if p, ok := f.named.get(destination); ok {
		return p
	}
	return f.add(destination)
}

func (f *family) add(destination string) *Policy {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p, ok := f.named.get(destination); ok {
		return p
	}
	// The store holds one more than the family: the destination "".
	p := f.rules.newPolicy(destination, f.store.get(destination, f.rules.cfg, f.rules.maxDests+1), f)
	f.named.add(destination, p, f.rules.maxDests)
	return p
}

// table is a map that is read without a lock and copied to be written (by one at a time), bounded by forgetting
// entries that were not read since the last time somebody had to go (the clock algorithm, known as second chance).
type table[V any] struct {
	entries atomic.Pointer[map[string]*entry[V]]
	hand    []string // the keys, the next to be looked at first
}

type entry[V any] struct {
	value V
	used  atomic.Bool
}

func (t *table[V]) get(key string) (v V, ok bool) {
	m := t.entries.Load()
	if m == nil {
		return v, false
	}
	e, ok := (*m)[key]
	if !ok {
		return v, false
	}
	if !e.used.Load() { // a store on each read would pull the line from core to core
		e.used.Store(true)
	}
	return e.value, true
}

func (t *table[V]) add(key string, v V, limit int) {
	next := map[string]*entry[V]{}
	if old := t.entries.Load(); old != nil {
		next = maps.Clone(*old)
	}
	for len(next) >= limit {
		t.evict(next)
	}
	next[key] = &entry[V]{value: v}
	t.hand = append(t.hand, key)
	t.entries.Store(&next)
}

// evict takes out the first entry that was not read since the hand last passed it.
func (t *table[V]) evict(m map[string]*entry[V]) {
	for {
		key := t.hand[0]
		t.hand = t.hand[1:]
		if m[key].used.Swap(false) {
			t.hand = append(t.hand, key)
			continue
		}
		delete(m, key)
		return
	}
}
