package budget

import "time"

const (
	token  = 1000 // one retry, in the units of state.tokens
	eighth = 8    // one retry, in the units of state.window
	alone  = 4    // retries that a call may have open when nobody else has: five attempts, the most of gRFC A6

	tickBits = 32 // a tick is 2^32 ns, 4.3 s
	forget   = 7  // ticks, 30 s, after which a retry without an answer proves nothing any more
	skew     = 16 // ticks that one caller's reading of the clock may lag behind another's
)

// A word, from its lowest bit:
//
//	stamp    16  retries admitted so far, modulo 2^16
//	tokens   17  what is left, in thousandths of a retry
//	open      6  admitted retries that are unanswered: no attempt sent after them has succeeded
//	window    8  how many may be open, in eighths
//	refused   1  the window refused a retry since one was last answered
//	tick     16  when the last retry was admitted, in ticks modulo 2^16
//
// A permit, from its lowest bit: the stamp at its attempt's sending, whether it was paid for, and how many retries
// its call has had. A stamp comes around after 65,536 retries: an attempt that takes longer than that many may
// answer what it should not, which costs at most a window.
const (
	stampMask   = 1<<16 - 1
	tokensShift = 16
	tokensMask  = (1<<17 - 1) << tokensShift
	openShift   = 33
	openMask    = maxOpen << openShift
	maxOpen     = 1<<6 - 1
	windowShift = 39
	maxWindow   = 1<<8 - 1
	refusedBit  = 1 << 47
	tickShift   = 48

	paid       Permit = 1 << 16
	depthShift        = 17
	depthMask         = 7
)

type state struct {
	stamp   uint16
	tokens  uint32
	open    uint8
	window  uint8
	refused bool
	tick    uint16
}

func unpack(w uint64) state {
	return state{
		stamp:   uint16(w),
		tokens:  uint32(w & tokensMask >> tokensShift),
		open:    uint8(w & openMask >> openShift),
		window:  uint8(w >> windowShift),
		refused: w&refusedBit != 0,
		tick:    uint16(w >> tickShift),
	}
}

func (s state) pack() uint64 {
	w := uint64(s.stamp) | uint64(s.tokens)<<tokensShift | uint64(s.open)<<openShift |
		uint64(s.window)<<windowShift | uint64(s.tick)<<tickShift
	if s.refused {
		w |= refusedBit
	}
	return w
}

func tickOf(now time.Time) uint16 { return uint16(now.UnixNano() >> tickBits) }

// admit takes one retry, for a call that had depth retries before.
func (s *state) admit(b *Bucket, now uint16, depth uint8) bool {
	aged := s.aged(b, now)
	switch {
	case s.tokens < token:
		return false
	case aged.open < aged.window/eighth:
	case !b.strict && depth < alone && aged.open <= depth: // all that is open is the call's own
	default:
		s.refused = true
		return false
	}
	aged.stamp++
	aged.tokens -= token
	aged.open = min(aged.open+1, maxOpen)
	*s = aged
	return true
}

// aged is s as the time that has passed leaves it: the window narrows by an eighth a tick, and what has been open
// for long is forgotten.
func (s state) aged(b *Bucket, now uint16) state {
	age := now - s.tick
	if -age <= skew { // now is not after the last admission
		return s
	}
	s.window -= uint8(min(uint16(s.window-b.narrow), age))
	if age >= forget {
		s.open = 0
	}
	s.tick = now
	return s
}

// answer is told of a success: it fills the bucket, and answers the retries that were admitted before it was sent.
func (s *state) answer(b *Bucket, p Permit) {
	s.tokens = min(s.tokens+b.gain, b.burst)
	later := s.stamp - uint16(p) // retries admitted since
	if later >= uint16(s.open) {
		return
	}
	s.open = uint8(later)
	if s.refused { // needlessly, as it turns out
		s.refused = false
		s.window += min(eighth, maxWindow-s.window)
	}
}

// refund takes back a retry that was never sent.
func (s *state) refund(b *Bucket, p Permit) {
	s.tokens = min(s.tokens+token, b.burst)
	if s.stamp-uint16(p) < uint16(s.open) {
		s.open--
	}
}
