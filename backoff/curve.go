package backoff

import (
	"math"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// None never waits: the next attempt follows at once.
func None() Strategy { return none{} }

// Constant always waits d. It has no jitter; see [Proportional]. It panics if d is negative.
func Constant(d time.Duration) Strategy { return must("Constant", constant(d)) }

// Linear waits base, 2*base, 3*base and so on, at most cap. It has no jitter; see [Full] and
// [Equal]. It panics unless 0 < base <= cap.
func Linear(base, cap time.Duration) Strategy { return must("Linear", linear{base, cap}) }

// Exponential waits base, 2*base, 4*base and so on, at most cap. It has no jitter: [FullJitter]
// and [EqualJitter] are this curve with it. It panics unless 0 < base <= cap.
func Exponential(base, cap time.Duration) Strategy {
	return must("Exponential", exponential{base, cap})
}

// Fibonacci waits base, base, 2*base, 3*base, 5*base and so on, at most cap: a curve that grows
// more gently than [Exponential], by 1.618 a step. It has no jitter; see [Full] and [Equal]. It
// panics unless 0 < base <= cap.
func Fibonacci(base, cap time.Duration) Strategy { return must("Fibonacci", fibonacci{base, cap}) }

type none struct{}

func (none) Delay(int, time.Duration, float64) time.Duration { return 0 }

type constant time.Duration

func (c constant) Delay(int, time.Duration, float64) time.Duration { return time.Duration(c) }

func (c constant) Validate() error {
	if c < 0 {
		return &conf.FieldError{Msg: "must not be negative, not " + time.Duration(c).String()}
	}
	return nil
}

type linear struct{ Base, Cap time.Duration }

func (l linear) Validate() error { return validRange("Base", l.Base, l.Cap) }

func (l linear) Delay(wait int, _ time.Duration, _ float64) time.Duration {
	n := time.Duration(max(wait, 1))
	if n > l.Cap/l.Base {
		return l.Cap
	}
	return n * l.Base
}

type exponential struct{ Base, Cap time.Duration }

func (e exponential) Validate() error { return validRange("Base", e.Base, e.Cap) }

func (e exponential) Delay(wait int, _ time.Duration, _ float64) time.Duration {
	return doubled(e.Base, e.Cap, wait)
}

// doubled returns min(cap, base * 2^(wait-1)) without overflow. The bounds of wait and shift
// matter: Go panics at a negative shift.
func doubled(base, cap time.Duration, wait int) time.Duration {
	shift := uint(max(wait, 1) - 1)
	if base > cap>>min(shift, 63) {
		return cap
	}
	return base << shift
}

type fibonacci struct{ Base, Cap time.Duration }

func (f fibonacci) Validate() error { return validRange("Base", f.Base, f.Cap) }

// Delay loops at most 91 times: the 92nd Fibonacci number is the last that an int64 holds.
func (f fibonacci) Delay(wait int, _ time.Duration, _ float64) time.Duration {
	a, b := time.Duration(0), f.Base // b is the delay of wait 1
	for i := 1; i < wait; i++ {
		if b > f.Cap-a {
			return f.Cap
		}
		a, b = b, a+b
	}
	return b
}

// unit returns u limited to [0, 1). NaN and negative numbers become 0.
func unit(u float64) float64 {
	const below1 = 1 - 0x1p-53
	if u >= 0 && u <= below1 {
		return u
	}
	if u > below1 {
		return below1
	}
	return 0
}

// part returns d*u, and never more than d: u is below 1 by 2^-53 at least, which outweighs the
// rounding up of a d above 2^53.
func part(d time.Duration, u float64) time.Duration { return time.Duration(float64(d) * u) }

// saturated returns the duration nearest to f, which is not negative and may be more than a
// duration holds.
func saturated(f float64) time.Duration {
	if f >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(f)
}
