package budget

import (
	"math"
	"time"
)

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
//	tick     16  when the last retry was admitted, in ticks modulo 2^16
//	tokens   17  what is left, in thousandths of a retry
//	open      6  admitted retries that are unanswered: no attempt sent after them has succeeded
//	window    8  how many may be open, in eighths
//	refused   1  the window refused a retry since one was last answered
//	stamp    16  retries admitted so far, modulo 2^16: at the top, so that it may overflow
//
// A permit, from its lowest bit: the stamp at its attempt's sending, whether it was paid for, and how many retries
// its call has had. A stamp comes around after 65,536 retries: an attempt that takes longer than that many may
// answer what it should not, which costs at most a window.
//
// It is one word and no struct, so that it stays in a register from the load to the compare-and-swap.
type state uint64

const (
	tokensShift = 16
	tokensMask  = (1<<17 - 1) << tokensShift
	openShift   = 33
	maxOpen     = 1<<6 - 1
	openMask    = maxOpen << openShift
	windowShift = 39
	maxWindow   = 1<<8 - 1
	windowMask  = maxWindow << windowShift
	refusedBit  = 1 << 47
	stampShift  = 48

	// admission is what one retry changes, all fields at once.
	admission = 1<<stampShift + 1<<openShift - token<<tokensShift

	paid       Permit = 1 << 16
	depthShift        = 17
	depthMask         = 7
)

func (s state) stamp() uint16  { return uint16(s >> stampShift) }
func (s state) tokens() uint64 { return uint64(s & tokensMask >> tokensShift) }
func (s state) open() uint64   { return uint64(s & openMask >> openShift) }
func (s state) window() uint64 { return uint64(s & windowMask >> windowShift) }
func (s state) tick() uint16   { return uint16(s) }

func (s state) withWindow(n uint64) state { return s&^windowMask | state(n)<<windowShift }

func tickOf(now time.Time) uint16 { return uint16(now.UnixNano() >> tickBits) }

// affords reports whether one more retry is admitted whoever asks for it, in the tick in which the last one was.
func (s state) affords(now uint16) bool {
	return s.tick() == now && s.open() < s.window()/eighth && s.tokens() >= token
}

// permit is that of the retry which was admitted last, for a call that held another before.
func (s state) permit(held Permit) Permit {
	depth := held & (depthMask << depthShift)
	return Permit(s.stamp()) | paid | min(depth+1<<depthShift, depthMask<<depthShift)
}

// admit takes one retry, for a call that had depth retries before.
func (s state) admit(b *Bucket, now uint16, depth uint64) (next state, ok bool) {
	next, age := s, now-s.tick()
	if -age > skew { // else now is not after the last admission
		next = s.aged(b, age)
	} else {
		age = 0
	}
	open, limit := s.open(), next.window()/eighth
	switch {
	case s.tokens() < token:
		return s, false
	case open < limit:
	case !b.strict && depth < alone && open <= depth: // all that is open is the call's own
	case uint64(age) >= patience<<min(open-limit, maxDouble): // nobody has looked for long
	default:
		return s | refusedBit, false
	}
	if open == maxOpen { // as many as there is room for
		next -= 1 << openShift
	}
	return next + admission, true
}

// aged is the state that many ticks later: the window narrows by an eighth a tick.
func (s state) aged(b *Bucket, ticks uint16) state {
	window := s.window()
	s = s.withWindow(window - min(window-b.narrow, uint64(ticks)))
	return s&^math.MaxUint16 | state(s.tick()+ticks)
}

// earn adds to the tokens what n says, up to a full bucket; n is in their place in the word.
func (s state) earn(b *Bucket, n uint64) state {
	return s + state(min(n, b.burst-uint64(s&tokensMask)))
}

// answer is told of a success: it fills the bucket, and answers the retries that were admitted before it was sent.
func (s state) answer(b *Bucket, p Permit) state {
	next := s.earn(b, b.gain)
	if later := uint64(s.stamp() - uint16(p)); later < s.open() { // retries admitted since
		next -= state(s.open()-later) << openShift
	}
	return next
}

// widened lets the window refuse one less if it refused a retry before this answer came: needlessly, as it turns out.
func (s state) widened(before state) state {
	if before&refusedBit == 0 || s.open() == before.open() {
		return s
	}
	return (s &^ refusedBit).withWindow(min(s.window()+eighth, maxWindow))
}

// refund takes back a retry that was never sent. Where a later one was taken back before, this one goes on to count as
// open until it is answered: the word knows how many are open, not which.
func (s state) refund(b *Bucket, p Permit) state {
	s = s.earn(b, token<<tokensShift)
	if uint64(s.stamp()-uint16(p)) < s.open() {
		s -= 1 << openShift
	}
	return s
}
