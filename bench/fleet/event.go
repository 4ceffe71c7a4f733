package fleet

import "github.com/evenkeel-go/evenkeel/bench/internal/events"

// kind is the type of an event.
type kind uint8

const (
	arrive   kind = iota // a client makes a call (slot: the client)
	reach                // an attempt reaches who it was sent to (slot: the attempt)
	served               // the server has done the work in its hands (gen: which work)
	leave                // an attempt leaves a server that works on many at a time (slot: the attempt)
	reply                // an answer reaches the caller (slot: the attempt)
	expire               // an attempt's timeout passes (slot, gen: the attempt)
	wake                 // a call wants to go on (slot, gen: the call)
	deadline             // a caller gives up (slot, gen: the call)
	shift                // a fault begins or ends
	restart              // a client's process is replaced (slot: the client)
	lose                 // all connections break (slot: the fault)
)

// event has its time in ns since the start. In its order the lowest bits are its kind.
type event = events.Event[target]

// target names what an event happens to, as its kind says.
type target struct{ slot, gen uint32 }

const kindBits = 8
