package budget

import "time"

const (
	token  = 1000 // one retry, in the units of tokens
	eighth = 8    // one retry, in the units of window
	alone  = 4    // retries that a call may have open when nobody else has: five attempts, the most of gRFC A6

	tickBits  = 32 // a tick is 2^32 ns, 4.3 s
	patience  = 13 // ticks, 56 s, without a retry after which one more may look whether the destination is back
	maxDouble = 6  // patience doubles with each that found it dead, up to an hour
	skew      = 16 // ticks that one caller's reading of the clock may lag behind another's
)

// state is all that a Bucket knows, from its lowest bit:
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
//
// It is one word and no struct, so that it stays in a register from the load to the compare-and-swap.
type state uint64

const (
	stampMask   = 1<<16 - 1
	tokensShift = 16
	tokensMask  = (1<<17 - 1) << tokensShift
	openShift   = 33
	maxOpen     = 1<<6 - 1
	openMask    = maxOpen << openShift
	windowShift = 39
	maxWindow   = 1<<8 - 1
	windowMask  = maxWindow << windowShift
	refusedBit  = 1 << 47
	tickShift   = 48
	tickMask    = (1<<16 - 1) << tickShift

	paid       Permit = 1 << 16
	depthShift        = 17
	depthMask         = 7
)

func (s state) stamp() uint16  { return uint16(s) }
func (s state) tokens() uint64 { return uint64(s & tokensMask >> tokensShift) }
func (s state) open() uint64   { return uint64(s & openMask >> openShift) }
func (s state) window() uint64 { return uint64(s & windowMask >> windowShift) }
func (s state) tick() uint16   { return uint16(s >> tickShift) }

func (s state) withTokens(n uint64) state { return s&^tokensMask | state(n)<<tokensShift }
func (s state) withOpen(n uint64) state   { return s&^openMask | state(n)<<openShift }
func (s state) withWindow(n uint64) state { return s&^windowMask | state(n)<<windowShift }
func (s state) withTick(t uint16) state   { return s&^tickMask | state(t)<<tickShift }

func tickOf(now time.Time) uint16 { return uint16(now.UnixNano() >> tickBits) }

// admit takes one retry, for a call that had depth retries before.
func (s state) admit(b *Bucket, now uint16, depth uint64) (next state, ok bool) {
	age := now - s.tick()
	if -age <= skew { // now is not after the last admission
		age, now = 0, s.tick()
	}
	window := s.window()
	window -= min(window-b.narrow, uint64(age)) // it narrows by an eighth a tick
	open, limit := s.open(), window/eighth
	switch {
	case s.tokens() < token:
		return s, false
	case open < limit:
	case !b.strict && depth < alone && open <= depth: // all that is open is the call's own
	case uint64(age) >= patience<<min(open-limit, maxDouble): // nobody has looked for long
	default:
		return s | refusedBit, false
	}
	next = s&^stampMask | (s+1)&stampMask
	next = next.withTokens(s.tokens() - token).withOpen(min(open+1, maxOpen))
	return next.withWindow(window).withTick(now), true
}

// answer is told of a success: it fills the bucket, and answers the retries that were admitted before it was sent.
func (s state) answer(b *Bucket, p Permit) state {
	s = s.withTokens(min(s.tokens()+b.gain, b.burst))
	later := uint64(s.stamp() - uint16(p)) // retries admitted since
	if later >= s.open() {
		return s
	}
	s = s.withOpen(later)
	if s&refusedBit != 0 { // needlessly, as it turns out
		s = (s &^ refusedBit).withWindow(min(s.window()+eighth, maxWindow))
	}
	return s
}

// refund takes back a retry that was never sent. Where a later one was taken back before, this one goes on to count as
// open until it is answered: the word knows how many are open, not which.
func (s state) refund(b *Bucket, p Permit) state {
	s = s.withTokens(min(s.tokens()+token, b.burst))
	if uint64(s.stamp()-uint16(p)) < s.open() {
		s = s.withOpen(s.open() - 1)
	}
	return s
}
