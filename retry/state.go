package retry

import (
	"iter"
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
	named table[*Policy]
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
	f.named.fill(from.named.last(r.maxDests), func(name string, old *Policy) *Policy {
		return f.newPolicy(name, from.rules.cfg, old.state)
	})
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
	f.named.add(destination, p, f.rules.maxDests)
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

// last yields the entries, the first to be evicted first, but no more than limit.
func (t *table[V]) last(limit int) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, key := range t.hand[max(0, len(t.hand)-limit):] {
			if !yield(key, (*t.entries.Load())[key].value) {
				return
			}
		}
	}
}

// fill puts what become makes of each entry into an empty table.
func (t *table[V]) fill(entries iter.Seq2[string, V], become func(key string, v V) V) {
	next := map[string]*entry[V]{}
	for key, v := range entries {
		next[key] = &entry[V]{value: become(key, v)}
		t.hand = append(t.hand, key)
	}
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
