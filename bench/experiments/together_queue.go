package experiments

import (
	"math"
	"math/bits"
)

// crowdKind is the type of an event.
type crowdKind uint8

const (
	crowdArrives  crowdKind = iota // a client makes calls (slot: the client)
	crowdRestarts                  // its process is replaced (slot: the client)
	crowdCuts                      // its connection is lost (slot: the client)
	crowdServes                    // a server that stood still goes on
	crowdServed                    // it has answered the attempt at the head of its line
	crowdReaches                   // an attempt reaches the server (slot: the attempt)
	crowdLands                     // its answer reaches the caller (slot: the attempt)
	crowdExpires                   // its timeout passes (slot, gen: the attempt)
	crowdWakes                     // a call wants to go on (slot: the call, gen: which wake-up)
	crowdDeadline                  // its caller gives up (slot, gen: the call)
)

// crowdEvent is something that happens at a point in time. Two at the same time happen in the
// order in which they were scheduled.
type crowdEvent struct {
	at    uint64 // the bits of a time, which are in the order of the times as these are not negative
	order uint64 // the number of the event, and in its lowest bits its kind
	slot  uint32
	gen   uint32
}

const crowdKindBits = 4

func (e *crowdEvent) kind() crowdKind { return crowdKind(e.order & (1<<crowdKindBits - 1)) }

func (e *crowdEvent) time() float64 { return math.Float64frombits(e.at) }

// before compares without a branch, which nobody could predict.
func (e *crowdEvent) before(f *crowdEvent) bool {
	_, less := bits.Sub64(e.order, f.order, 0)
	_, less = bits.Sub64(e.at, f.at, less)
	return less != 0
}

// crowdQueue holds what will happen: what comes in the order in which it is scheduled, and what
// is near apart from what is far off, as most events are near and a small heap is fast.
type crowdQueue struct {
	near, far crowdHeap
	line      []crowdEvent
	head      int // of line
}

func (q *crowdQueue) push(e crowdEvent) {
	switch e.kind() {
	case crowdExpires, crowdDeadline:
		if q.head == len(q.line) {
			q.line, q.head = q.line[:0], 0
		}
		if n := len(q.line); n == 0 || q.line[n-1].before(&e) {
			q.line = append(q.line, e)
			return
		}
		q.far.push(e)
	case crowdReaches, crowdLands, crowdServed:
		q.near.push(e)
	default:
		q.far.push(e)
	}
}

// pop removes and returns the earliest event; ok is false if there is none.
func (q *crowdQueue) pop() (e crowdEvent, ok bool) {
	from := &q.near
	if len(q.near) == 0 || len(q.far) > 0 && q.far[0].before(&q.near[0]) {
		from = &q.far
	}
	if q.head < len(q.line) && (len(*from) == 0 || q.line[q.head].before(&(*from)[0])) {
		e = q.line[q.head]
		if q.head++; q.head > 1<<12 && 2*q.head > len(q.line) {
			q.line, q.head = q.line[:copy(q.line, q.line[q.head:])], 0
		}
		return e, true
	}
	if len(*from) == 0 {
		return e, false
	}
	return from.pop(), true
}

// crowdHeap is a 4-ary heap of events, the earliest first. It holds no pointers, so that moving
// an event costs the garbage collector nothing.
type crowdHeap []crowdEvent

func (h *crowdHeap) push(e crowdEvent) {
	*h = append(*h, e)
	q := *h
	i := len(q) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&q[parent]) {
			break
		}
		q[i] = q[parent]
		i = parent
	}
	q[i] = e
}

// pop removes and returns the earliest event; there must be one.
func (h *crowdHeap) pop() crowdEvent {
	q := *h
	top, last := q[0], q[len(q)-1]
	q = q[:len(q)-1]
	*h = q
	if len(q) > 0 {
		q.sink(last)
	}
	return top
}

// sink puts e at the top or below it.
func (h crowdHeap) sink(e crowdEvent) {
	i := 0
	for {
		first := 4*i + 1
		if first >= len(h) {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, len(h)); c++ {
			if h[c].before(&h[least]) {
				least = c
			}
		}
		if !h[least].before(&e) {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = e
}

// crowdSlots hands out numbered values of T, which events name, and takes them back.
type crowdSlots[T any] struct {
	all  []*T
	free []uint32
}

// take returns a value as it was left, zero if it is new.
func (s *crowdSlots[T]) take() (uint32, *T) {
	if n := len(s.free); n > 0 {
		slot := s.free[n-1]
		s.free = s.free[:n-1]
		return slot, s.all[slot]
	}
	s.all = append(s.all, new(T))
	return uint32(len(s.all) - 1), s.all[len(s.all)-1]
}

func (s *crowdSlots[T]) at(slot uint32) *T { return s.all[slot] }

func (s *crowdSlots[T]) release(slot uint32) { s.free = append(s.free, slot) }
