package grpcx

import (
	"sync/atomic"
	"unsafe"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// A first attempt needs a place for its trailer: pushback comes in it, and gRPC tells it only to a call option given
// in advance. Allocating the place and the options would be the only allocation of a call that succeeds, and
// sync.Pool costs more than all else this package does to such a call. So there is a small fixed table of places:
// a call takes the one that its goroutine's stack points to, or allocates if that is taken.

// arrived is what an attempt left in a sink; see ending.
type arrived struct {
	header, trailer metadata.MD
	finished        bool // gRPC heeded the options, if it was asked to tell
}

// sink is a place for an answer's metadata, with the options that lead there.
type sink struct {
	busy atomic.Bool
	got  arrived
	opts [8]grpc.CallOption // the first three are its own
	_    [64]byte           // no two on a cache line
}

// own is where the sink's own options end.
const own = 3

var sinks [64]sink

// newSink returns a sink that nobody else has. It is given back with free, or kept for good: a panic below keeps the
// place, and at worst all 64, which costs later calls an allocation. To prevent that with defer would cost every call
// a quarter of what the interceptor does (4 ns).
func newSink() *sink {
	var here byte
	const stack = 11 // stacks are 2 KiB and more
	s := &sinks[uintptr(unsafe.Pointer(&here))>>stack%uintptr(len(sinks))]
	if s.busy.CompareAndSwap(false, true) {
		return s
	}
	return new(sink)
}

// trailer returns the option that leads to the trailer's place. It is written anew each time: an interceptor that
// overwrites what it was given would otherwise spoil all calls that come here later.
func (s *sink) trailer() []grpc.CallOption {
	s.opts[own-1] = grpc.Trailer(&s.got.trailer)
	return s.opts[own-1 : own : own]
}

// with returns the sink's own options and the caller's, which are not touched. With sure, these tell for certain what
// otherwise costs too much to ask each time: the header (gRPC copies it), that nothing came from the server, and
// OnFinish, that gRPC has heeded the options at all.
func (s *sink) with(opts []grpc.CallOption, sure bool) []grpc.CallOption {
	from := own - 1
	if sure {
		from = 0
		s.got.finished = false
		s.opts[0] = grpc.Header(&s.got.header)
		s.opts[1] = grpc.OnFinish(s.finish)
	}
	to := own + len(opts)
	if to > len(s.opts) {
		return append(s.opts[from:own:own], opts...)
	}
	copy(s.opts[own:], opts)
	return s.opts[from:to:to]
}

func (s *sink) finish(error) { s.got.finished = true }

// free gives the sink back, after a call with so many options of the caller's, and returns what was in it.
func (s *sink) free(opts int) arrived {
	got := s.got
	if got.trailer != nil || got.header != nil {
		s.got = arrived{}
	}
	if opts > 0 {
		clear(s.opts[own:])
	}
	s.busy.Store(false)
	return got
}
