package budget

import "time"

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
