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

// mayWait reports whether a call may wait, or go on to.
func (b *adaptive) mayWait(held Permit) bool {
	if b.patience < 0 {
		return false
	}
	if held&waitFlag != 0 {
		return b.since(held) <= max(b.patience, min(3*b.usual, longWait))
	}
	return float64(b.waiting.sum()) < max(float64(b.most), b.recent/10)
}

// wait counts a call as waiting, since the time in its permit if it did before. It is counted by
// the span in which it asked last: it may wait for longer than a span, and asks all the time.
func (b *adaptive) wait(held Permit) Permit {
	b.waitedAt = b.elapsed
	if held&waitFlag == 0 {
		held = held&^(tickMask<<stampBits) | Permit(b.now())<<stampBits | waitFlag
	}
	b.waiting.add(b.elapsed, 1)
	return held&^(spanMask<<spanShift) | Permit(b.waiting.now&spanMask)<<spanShift
}

func (b *adaptive) stopWaiting(p Permit) {
	if p&waitFlag != 0 {
		b.waiting.remove(b.elapsed, uint64(p)>>spanShift, spanMask)
	}
}

// hedgeCap returns the number of hedges that a full bucket holds.
func (b *adaptive) hedgeCap() float64 { return max(maxHedges, hedgeShare*b.recent) }

// hedged follows the end of a hedge. Those of a server that is slow throughout do not win.
func (b *adaptive) hedged(won bool) {
	b.hedgeWins -= b.hedgeWins / 4
	if won {
		b.hedgeWins += 0.25
	}
}

// hedge answers a call that asks for a hedge. Hedges have a bucket of their own, and stop while
// retries are stopped or nothing that was sent after the latest few has succeeded.
func (b *adaptive) hedge() (Permit, Answer) {
	if b.hedgeOpen > 0 && b.hedges.fresh.Load() != b.hedgeMark {
		b.hedgeOpen = 0
	}
	room := max(hedgeRoom, hedgeShare*b.recent)
	probe := b.elapsed-b.hedgeAdded >= firstProbe
	if b.empty.Load() || b.hedgeLeft < 1 || b.closed() || float64(b.hedgeOpen+1) > room && !probe {
		return 0, Refused
	}
	b.hedgeLeft--
	b.hedgeAdded = b.elapsed
	if b.hedgeOpen == 0 {
		b.lapses++
		b.hedges.from.Store(b.ends.Add(1) & stampMask)
		b.ends.Or(watched)
		b.hedgeMark = b.hedges.fresh.Load()
	}
	b.hedgeOpen = min(b.hedgeOpen+1, 1<<20)
	return b.permit(hedgeKind), Granted
}

// bySpan counts what is under way by the span in which it began, and forgets what began before
// the last one: what was never ended (its operation panicked) is not counted for ever.
type bySpan struct {
	now uint64 // the current span
	n   [2]int // of even and odd spans
}

func spanAt(elapsed time.Duration) uint64 { return uint64(elapsed) >> (tick + span) }

func (s *bySpan) sum() int { return s.n[0] + s.n[1] }

// move goes on to the present, and returns how many it forgets.
func (s *bySpan) move(elapsed time.Duration) (forgotten int) {
	switch now := spanAt(elapsed); {
	case now == s.now:
	case now == s.now+1:
		forgotten = s.n[now&1]
		s.n[now&1], s.now = 0, now
	default:
		forgotten = s.sum()
		s.n, s.now = [2]int{}, now
	}
	return forgotten
}

func (s *bySpan) add(elapsed time.Duration, n int) {
	s.move(elapsed)
	s.n[s.now&1] += n
}

// remove subtracts what was added in a span, of which only the bits in mask are known, unless
// that is forgotten.
func (s *bySpan) remove(elapsed time.Duration, at, mask uint64) {
	s.move(elapsed)
	switch at {
	case s.now & mask:
		s.n[s.now&1] = max(0, s.n[s.now&1]-1)
	case (s.now - 1) & mask:
		s.n[(s.now-1)&1] = max(0, s.n[(s.now-1)&1]-1)
	}
}
