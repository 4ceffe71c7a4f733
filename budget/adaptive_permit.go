package budget

import "time"

// The bits of a permit of adaptive, from the lowest: 30 for the stamp when the attempt was sent;
// 28 for when a retry was granted or a call began to wait, in ticks; 2 for the kind; and for a
// call that waits, a flag and 2 for a span. Stamps and ticks wrap around: an attempt that takes
// longer than half a billion others, or 78 hours, is misjudged, once.
const (
	stampBits = 30
	stampMask = 1<<stampBits - 1
	tickBits  = 28
	tickMask  = 1<<tickBits - 1
	tick      = 20 // a tick is 2^20 ns, about a millisecond
	span      = 13 // a span is 2^13 ticks, 8.6 s

	kindShift = stampBits + tickBits
	waitFlag  = Permit(1) << 61 // set for a call that waits
	spanShift = 62              // of such a call: the span in which it asked last, modulo 4
	spanMask  = 3
)

const (
	firstKind uint64 = iota
	retryKind
	resendKind
	hedgeKind
)

func (p Permit) stamp() uint64 { return uint64(p) & stampMask }
func (p Permit) tick() uint64  { return uint64(p) >> stampBits & tickMask }
func (p Permit) kind() uint64  { return uint64(p) >> kindShift & 3 }

// stampLater reports whether stamp a is after b.
func stampLater(a, b uint64) bool { return int32(uint32(a-b)<<(32-stampBits)) > 0 }

// now returns the time in ticks.
func (b *adaptive) now() uint64 { return uint64(b.elapsed) >> tick & tickMask }

func (b *adaptive) permit(kind uint64) Permit {
	return Permit(b.ends.Load()&stampMask | b.now()<<stampBits | kind<<kindShift)
}

// since returns the age of a permit.
func (b *adaptive) since(p Permit) time.Duration {
	return time.Duration((b.now()-p.tick())&tickMask) << tick
}
