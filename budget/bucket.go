package budget

import (
	"sync/atomic"
	"time"
)

// Bucket is the budget that Adaptive describes. Its whole state is one word, so that each decision is one
// compare-and-swap. Make one with Adaptive.New.
type Bucket struct {
	word atomic.Uint64

	full   uint64 // the word's tokens and open fields when there is nothing for a success to change
	gain   uint32 // what a success earns, in thousandths of a retry
	burst  uint32 // what a full bucket holds, in thousandths of a retry
	narrow uint8  // the window of a client that was never refused needlessly, in eighths of a retry
	strict bool
}

// Timeless tells that Begin and End never look at the time; Admit does.
func (b *Bucket) Timeless() {}

// Begin is told of a first attempt: the permit remembers which retries had been admitted when it was sent.
func (b *Bucket) Begin(time.Time) Permit { return Permit(b.word.Load() & stampMask) }

// End is told what became of an attempt. A success that has nothing to fill and nothing to answer is one load.
func (b *Bucket) End(_ time.Time, p Permit, e Evidence) {
	if e == Alive && b.word.Load()&(tokensMask|openMask) == b.full {
		return
	}
	b.settle(p, e)
}

func (b *Bucket) settle(p Permit, e Evidence) {
	if e != Alive && (e != Unsent || p&paid == 0) {
		return // no other end changes anything: what an attempt cost stays spent, what it asked stays open
	}
	for {
		word := b.word.Load()
		s := unpack(word)
		if e == Alive {
			s.answer(b, p)
		} else {
			s.refund(b, p)
		}
		if next := s.pack(); next == word || b.word.CompareAndSwap(word, next) {
			return
		}
	}
}

// Admit asks for one more attempt; retries and hedges are alike. It looks at now only to forget what is old.
func (b *Bucket) Admit(now time.Time, _ Kind, _ Evidence, held Permit) (Permit, bool) {
	depth := uint64(held >> depthShift & depthMask)
	for {
		word := b.word.Load()
		s := unpack(word)
		ok := s.admit(b, tickOf(now), depth)
		if next := s.pack(); next != word && !b.word.CompareAndSwap(word, next) {
			continue
		}
		if !ok {
			return 0, false
		}
		return Permit(s.stamp) | paid | Permit(min(depth+1, depthMask))<<depthShift, true
	}
}

// Level tells how much of the bucket is left, and 0 while retrying is suspended.
func (b *Bucket) Level() float64 {
	s := unpack(b.word.Load())
	if s.tokens < token || s.open >= s.window/eighth {
		return 0
	}
	return float64(s.tokens) / float64(b.burst)
}
