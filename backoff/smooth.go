package backoff

import (
	"math"
	"time"
)

// SmoothDecorrelated spreads the retries of a crowd over time without spikes: the formula of
// George Polevoy that Polly calls DecorrelatedJitterBackoffV2 and uses for exponential backoff
// with jitter. The medians of the waits are 0.9, 1.1, 2, 4, 8 times median, and so on.
//
// There, retry number n comes at F(n-1+U) after the first attempt, with F(t) = 2^t *
// tanh(sqrt(4t)) and U drawn evenly from [0, 1), and the wait is the difference to the retry
// before. That needs the U of the retry before. A Strategy keeps nothing, so here each wait draws
// both from its one random number: every wait is distributed exactly as Polly's. What is lost is
// that a late retry there shortens the wait after it, so the time of a later retry has the same
// mean, and a standard deviation that is about 30 % greater.
//
// Where the longest wait that the formula may give is above cap, the whole range is scaled down to
// end at cap, so that the jitter survives (Polly cuts, and many clients wait for exactly its
// MaxDelay). It panics unless 0 < median <= cap.
func SmoothDecorrelated(median, cap time.Duration) Strategy {
	return must("SmoothDecorrelated", smoothDecorrelated{median, cap})
}

type smoothDecorrelated struct{ Median, Cap time.Duration }

func (s smoothDecorrelated) Validate() error {
	return validRange("Median", s.Median, s.Cap)
}

func (s smoothDecorrelated) Delay(wait int, _ time.Duration, u float64) time.Duration {
	// By wait 64 a nanosecond has passed the longest duration, and only the scale would grow from
	// there.
	n := float64(min(max(wait, 1), 64))
	now, before := split(unit(u))
	longest := smooth(n)
	from := 0.0
	if n > 1 {
		longest -= smooth(n - 2)
		from = smooth(n - 2 + before)
	}
	scale := min(float64(s.Median)/1.4, float64(s.Cap)/longest) // 1.4 makes the medians whole numbers
	return min(s.Cap, saturated((smooth(n-1+now)-from)*scale))
}

// smooth returns F in units of the first wait's median, but for the factor 1.4.
func smooth(t float64) float64 { return math.Exp2(t) * math.Tanh(math.Sqrt(4*t)) }

// split makes two independent numbers of 26 and 27 bits from the 53 bits of one.
func split(u float64) (float64, float64) {
	high := math.Floor(u * (1 << 26))
	return high / (1 << 26), u*(1<<26) - high
}
