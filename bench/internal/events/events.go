// Package events holds what the simulators of bench share: events in the order of their times, and
// numbered values that events name.
package events

// Event is something that happens at a point in virtual time, which is not negative. Two at the
// same time happen in the order of their numbers.
type Event[T any] struct {
	At    int64
	Order uint64
	What  T
}

// Before reports whether e happens before f.
func (e *Event[T]) Before(f *Event[T]) bool {
	return e.At < f.At || e.At == f.At && e.Order < f.Order
}

// Heap is a 4-ary heap of events, the earliest first. Four children share one or two cache lines,
// and the tree is half as deep as a binary one.
type Heap[T any] []Event[T]

// Push adds an event.
func (h *Heap[T]) Push(e Event[T]) {
	*h = append(*h, e)
	q := *h
	i := len(q) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !e.Before(&q[parent]) {
			break
		}
		q[i] = q[parent]
		i = parent
	}
	q[i] = e
}

// Pop removes and returns the earliest event; there must be one.
func (h *Heap[T]) Pop() Event[T] {
	q := *h
	top, last := q[0], q[len(q)-1]
	q = q[:len(q)-1]
	*h = q
	if len(q) > 0 {
		q.sink(0, last)
	}
	return top
}

// Init makes a heap of events in any order.
func (h Heap[T]) Init() {
	for i := (len(h) - 2) / 4; i >= 0 && len(h) > 1; i-- {
		h.sink(i, h[i])
	}
}

// sink puts e in place i or below it.
func (h Heap[T]) sink(i int, e Event[T]) {
	for {
		first := 4*i + 1
		if first >= len(h) {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, len(h)); c++ {
			if h[c].Before(&h[least]) {
				least = c
			}
		}
		if !h[least].Before(&e) {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = e
}
