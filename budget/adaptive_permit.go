package budget

import "time"

// A permit of adaptive, from its lowest bit: the stamp at its attempt's sending, 30 bits; when a
// retry was granted or a call began to wait, in ticks, 28 bits; its kind, 2 bits; and of a call
// that waits a flag and two bits. Stamps and ticks come around: an attempt that takes longer than
// half a billion others, or 37 hours, is misjudged, once.
const (
	stampBits = 30
	stampMask = 1<<stampBits - 1
	tickBits  = 28
	tickMask  = 1<<tickBits - 1
	tick      = 20 // a tick is 2^20 ns, about a millisecond
	span      = 13 // a span is 2^13 ticks, 8.6 s

	kindShift = stampBits + tickBits
	waitFlag  = Permit(1) << 61 // of a call that waits
	spanShift = 62              // of such a call: the span in which it asked last, two bits
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

// later reports whether stamp a is after b.
func later(a, b uint64) bool { return int32(uint32(a-b)<<(32-stampBits)) > 0 }

func (b *adaptive) now() uint64 { return uint64(b.elapsed) >> tick & tickMask }

func (b *adaptive) permit(kind uint64) Permit {
	return Permit(b.ends.Load()&stampMask | b.now()<<stampBits | kind<<kindShift)
}

// since returns the age of a permit.
func (b *adaptive) since(p Permit) time.Duration {
	return time.Duration((b.now()-p.tick())&tickMask) << tick
}
