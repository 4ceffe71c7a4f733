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

	gain   uint64 // what a success earns, in its place in the word
	burst  uint64 // what a full bucket holds, in its place: the word's tokens and open fields while nothing is open
	narrow uint64 // how many retries may be open at first, in eighths of a retry
	strict bool
	start  atomic.Uint64 // of a drained bucket: what the first success puts in, in its place; else 0

	_ [23]byte // a cache line of its own: a neighbour's stores would slow down every load
}

// Timeless tells that Begin and End never look at the time; Admit does.
func (b *Bucket) Timeless() {}

// Begin is told of a first attempt. The permit remembers how many retries had been admitted when it was sent.
func (b *Bucket) Begin(time.Time) Permit { return Permit(b.word.Load() >> stampShift) }

// End is told what became of an attempt. A success that has nothing to fill and nothing to answer is one load.
func (b *Bucket) End(_ time.Time, p Permit, e Evidence) {
	if e == Alive && b.word.Load()&(tokensMask|openMask) == b.burst {
		return
	}
	b.settle(p, e)
}

// settle does what an end changes. Only two do: any other attempt has spent what it cost, and answers nothing.
func (b *Bucket) settle(p Permit, e Evidence) {
	switch {
	case e == Alive:
		start := uint64(0)
		if b.start.Load() != 0 {
			start = b.start.Swap(0)
		}
		for {
			s := state(b.word.Load())
			if b.become(s, s.answer(b, p).earn(b, start).widened(s)) {
				return
			}
		}
	case e == Unsent && p&paid != 0:
		for {
			s := state(b.word.Load())
			if b.become(s, s.refund(b, p)) {
				return
			}
		}
	}
}

// close empties a new bucket until a success.
func (b *Bucket) close() {
	s := b.word.Load()
	b.start.Store(s & tokensMask)
	b.word.Store(s &^ tokensMask)
}

// become goes from one state to the next, and reports false if another goroutine was faster.
func (b *Bucket) become(s, next state) bool {
	return next == s || b.word.CompareAndSwap(uint64(s), uint64(next))
}

// Admit asks for one more attempt; retries and hedges are alike. It looks at now only to forget what is old.
func (b *Bucket) Admit(now time.Time, _ Kind, _ Evidence, held Permit) (Permit, bool) {
	s, tick := state(b.word.Load()), tickOf(now)
	if next := s + admission; s.affords(tick) && b.word.CompareAndSwap(uint64(s), uint64(next)) {
		return next.permit(held), true
	}
	return b.admit(tick, held)
}

// admit is Admit where a call that asks matters, or the time, or somebody was faster.
func (b *Bucket) admit(tick uint16, held Permit) (Permit, bool) {
	for {
		s := state(b.word.Load())
		next, ok := s.admit(b, tick, uint64(held>>depthShift&depthMask))
		switch {
		case !b.become(s, next):
		case !ok:
			return 0, false
		default:
			return next.permit(held), true
		}
	}
}

// Level tells how full the bucket is, and 0 while no retry would be admitted.
func (b *Bucket) Level() float64 {
	s := state(b.word.Load())
	if s.tokens() < token || s.open() >= s.window()/eighth {
		return 0
	}
	return float64(s&tokensMask) / float64(b.burst)
}
