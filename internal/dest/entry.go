package dest

import "sync/atomic"

// Entry is a key of a table with its value.
type Entry[K comparable, V any] struct {
	Key   K
	Value V
	hash  uint64
	use   atomic.Uint32
}

// States of an entry's use. The use for which it was added does not count, so that a name that is
// used once never outlives one that is used again and again.
const (
	added     = iota // and not used yet
	idle             // not used since the hand passed it
	inUse            // used since then
	forgotten        // not in the table any more
)

// Pinned returns an entry that is in no table, and so is never forgotten.
func Pinned[K comparable, V any](key K) *Entry[K, V] {
	e := &Entry[K, V]{Key: key}
	e.use.Store(inUse)
	return e
}

// InUse reports whether the entry is marked as used already.
func (e *Entry[K, V]) InUse() bool { return e.use.Load() == inUse }

// Touch marks the entry as used and reports whether its table still has it. It only loads if the
// entry is marked already: a store on each call would move the cache line from core to core.
func (e *Entry[K, V]) Touch() bool {
	return e.InUse() || e.mark()
}

func (e *Entry[K, V]) mark() bool {
	for {
		use := e.use.Load()
		if use >= inUse {
			return use == inUse
		}
		if e.use.CompareAndSwap(use, use+1) {
			return true
		}
	}
}

// forget ages an entry that the table's hand has reached, one in use to idle and any other to
// forgotten. It reports whether the entry is now forgotten.
func (e *Entry[K, V]) forget() bool {
	for {
		use := e.use.Load()
		next := uint32(forgotten)
		if use == inUse {
			next = idle
		}
		if e.use.CompareAndSwap(use, next) {
			return next == forgotten
		}
	}
}
