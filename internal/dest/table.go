// Package dest keeps values for destinations (a host, a gRPC target, a name that the user gives)
// in a bounded table. A table that is full forgets a destination that was not used lately, by the
// clock algorithm, which is also known as second chance. It remembers for a while which of the
// forgotten ones were in trouble, so that forgetting never gives a failing destination a new
// start.
package dest

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
)

// Table maps at most a fixed number of keys to values. Make one with New. It is safe for
// concurrent use: Get takes no lock, and adding a key costs the same however many there are.
type Table[K comparable, V any] struct {
	limit   int
	spent   func(V) bool
	buckets atomic.Pointer[[]bucket[K, V]] // a power of two of them; nil: none yet

	mu     sync.Mutex     // guards the fields below, and changes of buckets
	clock  []*Entry[K, V] // all entries, in the order in which the hand reaches them
	hand   int            // the entry of clock that is looked at first when one has to go
	memory memory
}

// bucket is a chain of nodes. Of a node only next ever changes, so a reader at a node that was
// removed still finds the rest of the chain.
type bucket[K comparable, V any] struct{ first atomic.Pointer[node[K, V]] }

type node[K comparable, V any] struct {
	*Entry[K, V]
	next atomic.Pointer[node[K, V]]
}

// New returns an empty table for at most limit keys, which must be positive. spent reports
// whether a value is in a worse state than a new one would be, when it is forgotten; if nil, none
// is.
func New[K comparable, V any](limit int, spent func(V) bool) *Table[K, V] {
	return &Table[K, V]{limit: limit, spent: spent}
}

// seed is shared by all tables, so that a copy finds what the original remembered.
var seed = maphash.MakeSeed()

// Get returns the entry of a key and marks it as used.
func (t *Table[K, V]) Get(key K) (*Entry[K, V], bool) {
	e := t.find(key, maphash.Comparable(seed, key))
	return e, e != nil && e.Touch()
}

func (t *Table[K, V]) find(key K, hash uint64) *Entry[K, V] {
	buckets := t.buckets.Load()
	if buckets == nil {
		return nil
	}
	n := (*buckets)[hash&uint64(len(*buckets)-1)].first.Load()
	for ; n != nil; n = n.next.Load() {
		if n.hash == hash && n.Key == key {
			return n.Entry
		}
	}
	return nil
}

// GetOrAdd returns the entry of a key and marks it as used, or adds one with the value that
// create makes, for which a full table forgets another. drained means that the value must not
// start with more than a spent one: the table forgot this key while it was spent, or may have,
// and has forgotten too many to know. create is called with the table locked; e has its Key.
func (t *Table[K, V]) GetOrAdd(key K, create func(e *Entry[K, V], drained bool) V) *Entry[K, V] {
	if e, ok := t.Get(key); ok {
		return e
	}
	hash := maphash.Comparable(seed, key)
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.find(key, hash); e != nil && e.Touch() {
		return e
	}
	e := &Entry[K, V]{Key: key, hash: hash}
	e.Value = create(e, t.memory.drained(hash)) // before anything changes: it may panic
	t.memory.recall(hash)
	t.insert(e)
	return e
}

// GetOrFill works like GetOrAdd in a table that forgets nothing: if it is full, ok is false.
func (t *Table[K, V]) GetOrFill(key K, create func(K) V) (e *Entry[K, V], ok bool) {
	hash := maphash.Comparable(seed, key)
	if e := t.find(key, hash); e != nil {
		return e, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.find(key, hash); e != nil {
		return e, true
	}
	if len(t.clock) >= t.limit {
		return nil, false
	}
	e = &Entry[K, V]{Key: key, hash: hash, Value: create(key)}
	t.insert(e)
	return e, true
}

// Rejoin marks as used an entry that may have been forgotten, and returns the entry of its key:
// e, added again if need be, or the entry that was added for the key since.
func (t *Table[K, V]) Rejoin(e *Entry[K, V]) *Entry[K, V] {
	if e.Touch() {
		return e
	}
	if now := t.find(e.Key, e.hash); now != nil && now.Touch() {
		return now
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.find(e.Key, e.hash); now != nil && now.Touch() {
		return now
	}
	t.memory.recall(e.hash)
	e.use.Store(idle)
	t.insert(e)
	return e
}

// All returns the entries, in the order in which the hand reaches them.
func (t *Table[K, V]) All() []*Entry[K, V] {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Concat(t.clock[t.hand:], t.clock[:t.hand])
}

// Copy returns a table of limit keys that remembers what t has forgotten, and has t's entries
// with the values that create makes of theirs. If there are more than limit, it forgets those
// first in All.
func (t *Table[K, V]) Copy(limit int, spent func(V) bool, create func(e *Entry[K, V], from V) V) *Table[K, V] {
	next := New[K](limit, spent)
	entries := t.All()
	if over := len(entries) - limit; over > 0 {
		for _, e := range entries[:over] {
			next.note(e, limit)
		}
		entries = entries[over:]
	}
	t.mu.Lock()
	kept := t.memory.clone()
	t.mu.Unlock()
	next.memory.adopt(kept, limit)
	for _, from := range entries {
		e := &Entry[K, V]{Key: from.Key, hash: from.hash}
		e.Value = create(e, from.Value)
		e.use.Store(idle)
		next.insert(e)
	}
	return next
}

// insert adds an entry whose key has none. It requires that t.mu is held.
func (t *Table[K, V]) insert(e *Entry[K, V]) {
	if len(t.clock) < t.limit {
		t.clock = append(t.clock, e)
		t.grow()
		t.link(e)
		return
	}
	old := t.evict()
	t.unlink(old)
	t.note(old, t.limit)
	t.clock[t.hand] = e
	t.hand = (t.hand + 1) % len(t.clock)
	t.link(e)
}

// evict forgets the first entry that was not used since the hand last passed it, and leaves the
// hand there. After two rounds without one it takes any.
func (t *Table[K, V]) evict() *Entry[K, V] {
	for passed := 0; ; passed++ {
		e := t.clock[t.hand]
		if passed > 2*len(t.clock) {
			e.use.Store(forgotten)
		}
		if e.forget() {
			return e
		}
		t.hand = (t.hand + 1) % len(t.clock)
	}
}

// note remembers an entry that is being forgotten, if its value is spent.
func (t *Table[K, V]) note(e *Entry[K, V], limit int) {
	t.memory.note(e.hash, t.spent != nil && t.spent(e.Value), limit)
}

// grow doubles the buckets if there are more entries than buckets. Readers may still use the old
// ones: a key that they miss there is looked up again under the lock.
func (t *Table[K, V]) grow() {
	size := 0
	if old := t.buckets.Load(); old != nil {
		size = len(*old)
	}
	if len(t.clock) <= size {
		return
	}
	next := make([]bucket[K, V], max(8, 2*size))
	t.buckets.Store(&next)
	for _, e := range t.clock[:len(t.clock)-1] { // all but the one that is being added
		t.link(e)
	}
}

func (t *Table[K, V]) bucket(hash uint64) *bucket[K, V] {
	buckets := *t.buckets.Load()
	return &buckets[hash&uint64(len(buckets)-1)]
}

func (t *Table[K, V]) link(e *Entry[K, V]) {
	n, b := &node[K, V]{Entry: e}, t.bucket(e.hash)
	n.next.Store(b.first.Load())
	b.first.Store(n)
}

func (t *Table[K, V]) unlink(e *Entry[K, V]) {
	from := &t.bucket(e.hash).first
	for n := from.Load(); n != nil; n = from.Load() {
		if n.Entry == e {
			from.Store(n.next.Load())
			return
		}
		from = &n.next
	}
}
