package budget

import "time"

// mayWait reports whether a call may begin to wait or, if held is that of a call that waits, go
// on.
func (b *adaptive) mayWait(held Permit) bool {
	if b.patience < 0 {
		return false
	}
	if held&waitFlag != 0 {
		return b.since(held) <= max(b.patience, min(3*b.usual, longWait))
	}
	return float64(b.waiting.sum()) < max(float64(b.maxWaiting), b.recent/10)
}

// wait counts a call as waiting and returns its permit, which keeps the time when it began to
// wait. The call is counted in the span in which it asked last, so that one that waits for longer
// than a span is not forgotten.
func (b *adaptive) wait(held Permit) Permit {
	b.waitedAt = b.elapsed
	if held&waitFlag == 0 {
		held = held&^(tickMask<<stampBits) | Permit(b.now())<<stampBits | waitFlag
	}
	b.waiting.add(b.elapsed, 1)
	return held&^(spanMask<<spanShift) | Permit(b.waiting.now&spanMask)<<spanShift
}

// stopWaiting no longer counts the call of a permit as waiting, if it was.
func (b *adaptive) stopWaiting(p Permit) {
	if p&waitFlag != 0 {
		b.waiting.remove(b.elapsed, uint64(p)>>spanShift, spanMask)
	}
}

// bySpan counts retries under way or calls that wait by the span in which each was added. It
// forgets those of all spans but the latest two, so that one that never ends (its operation
// panicked) is not counted forever.
type bySpan struct {
	now uint64 // the current span
	n   [2]int // of even and odd spans
}

func spanAt(elapsed time.Duration) uint64 { return uint64(elapsed) >> (tick + span) }

func (s *bySpan) sum() int { return s.n[0] + s.n[1] }

// move advances to the span at elapsed, and returns how many it forgets.
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

// remove subtracts one that was added in the span at, unless that span is forgotten. Only the bits
// in mask of at are known.
func (s *bySpan) remove(elapsed time.Duration, at, mask uint64) {
	s.move(elapsed)
	switch at {
	case s.now & mask:
		s.n[s.now&1] = max(0, s.n[s.now&1]-1)
	case (s.now - 1) & mask:
		s.n[(s.now-1)&1] = max(0, s.n[(s.now-1)&1]-1)
	}
}
