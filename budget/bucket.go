package budget

import (
	"sync/atomic"
	"time"
)

// Bucket is the budget that Adaptive describes: make one with Adaptive.New. Its whole state is one word, so that
// each decision is one compare-and-swap. It is exported for callers on whose path the two calls of a success should
// be inlined.
type Bucket struct {
	word atomic.Uint64

	full   uint64 // the word's tokens and open fields when there is nothing for a success to change
	gain   uint64 // what a success earns, in thousandths of a retry
	burst  uint64 // what a full bucket holds, in thousandths of a retry
	narrow uint64 // how many retries may be open at first, in eighths of a retry
	strict bool

	_ [23]byte // a cache line of its own: a neighbour's stores would slow down every load
}

// Timeless tells that Begin and End never look at the time; Admit does.
func (b *Bucket) Timeless() {}

// Begin is told of a first attempt. The permit remembers how many retries had been admitted when it was sent.
func (b *Bucket) Begin(time.Time) Permit { return Permit(b.word.Load() & stampMask) }

// End is told what became of an attempt. A success that has nothing to fill and nothing to answer is one load.
func (b *Bucket) End(_ time.Time, p Permit, e Evidence) {
	if e == Alive && b.word.Load()&(tokensMask|openMask) == b.full {
		return
	}
	b.settle(p, e)
}

// settle does what an end changes. Only two do: any other attempt has spent what it cost, and answers nothing.
func (b *Bucket) settle(p Permit, e Evidence) {
	if e != Alive && (e != Unsent || p&paid == 0) {
		return
	}
	for {
		s := state(b.word.Load())
		next := s.refund(b, p)
		if e == Alive {
			next = s.answer(b, p)
		}
		if next == s || b.word.CompareAndSwap(uint64(s), uint64(next)) {
			return
		}
	}
}

// Admit asks for one more attempt; retries and hedges are alike. It looks at now only to forget what is old.
func (b *Bucket) Admit(now time.Time, _ Kind, _ Evidence, held Permit) (Permit, bool) {
	depth := uint64(held >> depthShift & depthMask)
	for {
		s := state(b.word.Load())
		next, ok := s.admit(b, tickOf(now), depth)
		if next != s && !b.word.CompareAndSwap(uint64(s), uint64(next)) {
			continue
		}
		if !ok {
			return 0, false
		}
		return Permit(next.stamp()) | paid | Permit(min(depth+1, depthMask))<<depthShift, true
	}
}

// Level tells how full the bucket is, and 0 while no retry would be admitted.
func (b *Bucket) Level() float64 {
	s := state(b.word.Load())
	if s.tokens() < token || s.open() >= s.window()/eighth {
		return 0
	}
	return float64(s.tokens()) / float64(b.burst)
}
