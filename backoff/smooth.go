package backoff

import (
	"math"
	"time"
)

// SmoothDecorrelated spreads the retries of a crowd over time without spikes: the formula of
// George Polevoy that Polly calls DecorrelatedJitterBackoffV2 and uses for exponential backoff
// with jitter. The medians of the waits are 0.9, 1.1, 2, 4, 8 times median, and so on.
//
// In that formula, retry number n is sent at F(n-1+U) after the first attempt, with F(t) = 2^t *
// tanh(sqrt(4t)) and U drawn evenly from [0, 1), and the wait is the difference to the retry
// before. That needs the U of the retry before. A Strategy keeps nothing, so here each wait draws
// both from its one random number: every single wait is distributed exactly as Polly's. But in
// Polly a late retry shortens the wait after it, and here it does not. So the time of a later
// retry has the same mean, and a standard deviation that is about 30 % greater.
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
	// By wait 64 even a median of 1ns has passed the longest duration.
	n := float64(min(max(wait, 1), 64))
	now, before := split(unit(u))
	longest := smooth(n)
	from := 0.0
	if n > 1 {
		longest -= smooth(n - 2)
		from = smooth(n - 2 + before)
	}
	scale := min(float64(s.Median)/1.4, float64(s.Cap)/longest) // 1.4 makes the later medians whole multiples of Median
	return min(s.Cap, saturated((smooth(n-1+now)-from)*scale))
}

// smooth returns F(t), the formula's time of a retry.
func smooth(t float64) float64 { return math.Exp2(t) * math.Tanh(math.Sqrt(4*t)) }

// split returns two independent numbers in [0, 1), made of the high 26 and the low 27 bits of u.
func split(u float64) (float64, float64) {
	high := math.Floor(u * (1 << 26))
	return high / (1 << 26), u*(1<<26) - high
}
