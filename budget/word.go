package budget

import "time"

const (
	token  = 1000 // one retry, in the units of state.tokens
	eighth = 8    // one retry, in the units of state.window
	finish = 4    // retries that a call may have open when nobody else has: five attempts, as in gRFC A6

	tick        = 32 // a tick is 2^32 ns, 4.3 s
	forgetAfter = 7  // ticks, 30 s, after which the last retry proves nothing any more
	clockSkew   = 16 // ticks that one reading of the clock may lag behind another
)

// A word, from its lowest bit:
//
//	stamp    16  retries admitted so far, modulo 2^16; a permit carries the stamp of its sending
//	tokens   17  what is left, in thousandths of a retry
//	open      6  admitted retries after which no attempt was sent that succeeded
//	window    8  how many may be open, in eighths
//	refused   1  the window refused a retry since an open one was last answered
//	tick     16  when the last retry was admitted
const (
	stampMask   = 1<<16 - 1
	tokensShift = 16
	tokensMask  = (1<<17 - 1) << tokensShift
	openShift   = 33
	openMask    = (1<<6 - 1) << openShift
	windowShift = 39
	refusedBit  = 1 << 47
	tickShift   = 48
)

// A permit: the stamp, whether it was paid for, and how many retries its call has had.
const (
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

func tickOf(now time.Time) uint16 { return uint16(now.UnixNano() >> tick) }

// admit takes one retry, if there is a token and the window has room. A call that had depth retries before needs no
// room when no more than those are open: on a quiet client, MaxAttempts means what it says.
func (s *state) admit(b *Bucket, now uint16, depth uint64) bool {
	window, open := s.window, s.open
	if age := now - s.tick; age < -clockSkew&0xffff {
		window -= uint8(min(uint16(window-b.narrow), age))
		if age >= forgetAfter {
			open = 0
		}
	} else {
		now = s.tick
	}
	if s.tokens < token {
		return false
	}
	alone := !b.strict && uint64(open) <= depth && depth < finish
	if open >= window/eighth && !alone {
		s.refused = true
		return false
	}
	s.stamp++
	s.tokens -= token
	s.open = min(open+1, openMask>>openShift)
	s.window = window
	s.tick = now
	return true
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
		s.window += min(eighth, 255-s.window)
	}
}

// refund takes back a retry that was never sent.
func (s *state) refund(b *Bucket, p Permit) {
	s.tokens = min(s.tokens+token, b.burst)
	if s.stamp-uint16(p) < uint16(s.open) {
		s.open--
	}
}
