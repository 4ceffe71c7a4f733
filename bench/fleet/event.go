package fleet

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

// event is something that happens at a point in virtual time. Two at the same time happen in the
// order in which they were scheduled.
type event struct {
	at    int64  // ns since the start
	order uint64 // the number of the event, and in its lowest 8 bits its kind
	slot  uint32
	gen   uint32
}

const kindBits = 8

func (e *event) kind() kind { return kind(e.order) }

func (e *event) before(f *event) bool { return e.at < f.at || e.at == f.at && e.order < f.order }
