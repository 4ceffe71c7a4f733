package fleet

import (
	"math"
	"math/rand/v2"
	"time"
)

// Delay is a distribution of times. Sample is called by one simulation at a time, with its own
// random numbers, and must use no others; negative times count as none, and those of more than a
// year as never.
type Delay interface {
	Sample(r *rand.Rand) time.Duration
}

// Constant returns a Delay that is always d.
func Constant(d time.Duration) Delay { return constant(d) }

// Exponential has the mean given: most are short, some are several times as long.
func Exponential(mean time.Duration) Delay { return exponential(mean) }

// Uniform lies between lo and hi.
func Uniform(lo, hi time.Duration) Delay { return uniform{lo, hi} }

// Lognormal has the mean and the standard deviation given (of the times, not of their logarithms):
// how long many servers take.
func Lognormal(mean, sd time.Duration) Delay {
	if mean <= 0 {
		return constant(0)
	}
	v := math.Log1p(math.Pow(float64(sd)/float64(mean), 2))
	return lognormal{math.Log(float64(mean)) - v/2, math.Sqrt(v)}
}

// Stragglers returns a Delay that is times times as long as d in a share of all cases.
func Stragglers(d Delay, share, times float64) Delay { return stragglers{d, share, times} }

// DelayFunc is a Delay of your own.
type DelayFunc func(r *rand.Rand) time.Duration

// Sample calls f.
func (f DelayFunc) Sample(r *rand.Rand) time.Duration { return f(r) }

type constant time.Duration

func (c constant) Sample(*rand.Rand) time.Duration { return time.Duration(c) }

type exponential time.Duration

func (e exponential) Sample(r *rand.Rand) time.Duration {
	return time.Duration(bounded(r.ExpFloat64() * float64(e)))
}

type uniform struct{ lo, hi time.Duration }

func (u uniform) Sample(r *rand.Rand) time.Duration {
	return min(u.lo, longest) + time.Duration(bounded(r.Float64()*(float64(u.hi)-float64(u.lo))))
}

type lognormal struct{ mu, sigma float64 }

func (l lognormal) Sample(r *rand.Rand) time.Duration {
	return time.Duration(bounded(math.Exp(l.mu + l.sigma*r.NormFloat64())))
}

type stragglers struct {
	delay        Delay
	share, times float64
}

func (s stragglers) Sample(r *rand.Rand) time.Duration {
	d := s.delay.Sample(r)
	if r.Float64() < s.share {
		d = time.Duration(bounded(float64(d) * s.times))
	}
	return d
}

// sample draws one of d's times as ns, at most longest; none for a nil d.
func sample(d Delay, r *rand.Rand) int64 {
	if d == nil {
		return 0
	}
	return min(max(0, int64(d.Sample(r))), int64(longest))
}
