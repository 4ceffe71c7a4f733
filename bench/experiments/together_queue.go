package experiments

import (
	"math"

	"github.com/evenkeel-go/evenkeel/bench/internal/events"
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

// crowdEvent has in its time the bits of a float64, which are in the order of the times as these
// are not negative. In its order the lowest bits are its kind.
type crowdEvent = events.Event[crowdTarget]

// crowdTarget names what an event happens to, as its kind says. It holds no pointers, so that
// moving an event costs the garbage collector nothing.
type crowdTarget struct{ slot, gen uint32 }

const crowdKindBits = 4

func kindOf(e *crowdEvent) crowdKind { return crowdKind(e.Order & (1<<crowdKindBits - 1)) }

func timeOf(e *crowdEvent) float64 { return math.Float64frombits(uint64(e.At)) }

// crowdQueue holds what will happen: what comes in the order in which it is scheduled, and what
// is near apart from what is far off, as most events are near and a small heap is fast.
type crowdQueue struct {
	near, far events.Heap[crowdTarget]
	line      []crowdEvent
	head      int // of line
}

func (q *crowdQueue) push(e crowdEvent) {
	switch kindOf(&e) {
	case crowdExpires, crowdDeadline:
		if q.head == len(q.line) {
			q.line, q.head = q.line[:0], 0
		}
		if n := len(q.line); n == 0 || q.line[n-1].Before(&e) {
			q.line = append(q.line, e)
			return
		}
		q.far.Push(e)
	case crowdReaches, crowdLands, crowdServed:
		q.near.Push(e)
	default:
		q.far.Push(e)
	}
}

// pop removes and returns the earliest event; ok is false if there is none.
func (q *crowdQueue) pop() (e crowdEvent, ok bool) {
	from := &q.near
	if len(q.near) == 0 || len(q.far) > 0 && q.far[0].Before(&q.near[0]) {
		from = &q.far
	}
	if q.head < len(q.line) && (len(*from) == 0 || q.line[q.head].Before(&(*from)[0])) {
		e = q.line[q.head]
		if q.head++; q.head > 1<<12 && 2*q.head > len(q.line) {
			q.line, q.head = q.line[:copy(q.line, q.line[q.head:])], 0
		}
		return e, true
	}
	if len(*from) == 0 {
		return e, false
	}
	return from.Pop(), true
}
