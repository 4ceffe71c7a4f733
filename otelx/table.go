package otelx

import (
	"maps"
	"sync"
	"sync/atomic"
)

// table keeps what is made once for a key, for a bounded number of keys. It is read without a lock, and copied to be
// written, which happens once a key.
type table[K comparable, V any] struct {
	limit   int
	entries atomic.Pointer[map[K]V]
	mu      sync.Mutex // held to write
}

// all is for reading only.
func (t *table[K, V]) all() map[K]V {
	if m := t.entries.Load(); m != nil {
		return *m
	}
	return nil
}

// get returns what is kept for key, made if there is room. ok is false if there is none.
func (t *table[K, V]) get(key K, create func(K) V) (v V, ok bool) {
	m := t.all()
	if v, ok = m[key]; ok || len(m) >= t.limit {
		return v, ok
	}
	return t.add(key, create)
}

func (t *table[K, V]) add(key K, create func(K) V) (v V, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.all()
	if v, ok = m[key]; ok || len(m) >= t.limit {
		return v, ok
	}
	next := make(map[K]V, len(m)+1)
	maps.Copy(next, m)
	v = create(key)
	next[key] = v
	t.entries.Store(&next)
	return v, true
}
