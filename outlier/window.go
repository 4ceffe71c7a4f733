package outlier

import (
	"math"
	"time"
)

// span is how long one half of a window lasts.
const span = 5 * time.Second

// counts holds numbers of attempts, and sums over the logarithms of the latencies of those that
// were timed.
type counts struct {
	good, bad int
	timed     int
	sum, sq   float64 // of the logarithms and of their squares
}

// add adds o, or subtracts it if sign is -1.
func (c *counts) add(o counts, sign int) {
	c.good += sign * o.good
	c.bad += sign * o.bad
	c.timed += sign * o.timed
	c.sum += float64(sign) * o.sum
	c.sq += float64(sign) * o.sq
}

// window counts attempts of the last five to ten seconds, in two spans.
type window struct {
	epoch     int64  // the number of the span of cur
	cur, prev counts // of that span and the one before
}

// roll moves the window to the span epoch. It does not move back.
func (w *window) roll(epoch int64) {
	switch {
	case epoch <= w.epoch:
		return
	case epoch == w.epoch+1:
		w.prev = w.cur
	default:
		w.prev = counts{}
	}
	w.cur, w.epoch = counts{}, epoch
}

func (w *window) total() counts {
	t := w.prev
	t.add(w.cur, 1)
	return t
}

// sub subtracts another window's counts, at the same epoch.
func (w *window) sub(o *window) {
	w.cur.add(o.cur, -1)
	w.prev.add(o.prev, -1)
}

// without returns c without o.
func (c counts) without(o counts) counts {
	c.add(o, -1)
	return c
}

// significant is the z-score that a difference must have. Each failure tests the same figures
// again, so it is above what a single test would need.
const significant = 4

// worse reports whether the share bad of n lies above otherBad of otherN by at least excess, and
// by more than chance.
func worse(bad, n, otherBad, otherN int, excess float64) bool {
	if n <= 0 || otherN <= 0 {
		return false
	}
	n1, n2 := float64(n), float64(otherN)
	diff := float64(bad)/n1 - float64(otherBad)/n2
	if diff < excess || diff <= 0 {
		return false
	}
	p := float64(bad+otherBad) / (n1 + n2)
	return diff >= significant*math.Sqrt(p*(1-p)*(1/n1+1/n2))
}

const (
	enough = 20                   // attempts for a rate or a mean
	spare  = 5 * time.Millisecond // what a slow backend takes more than its siblings, at least
	steady = .1                   // the least standard deviation of logarithms that is assumed
)

// slower reports whether the latencies of c have a geometric mean that is long beside that of o,
// by more than chance.
func (c counts) slower(o counts, factor float64) bool {
	if c.timed < enough || o.timed < enough {
		return false
	}
	n1, n2 := float64(c.timed), float64(o.timed)
	m1, m2 := c.sum/n1, o.sum/n2
	if !long(m1, m2, factor) {
		return false
	}
	variance := func(c counts, n, m float64) float64 { return max(steady*steady, c.sq/n-m*m) }
	return m1-m2 >= significant*math.Sqrt(variance(c, n1, m1)/n1+variance(o, n2, m2)/n2)
}

// long reports whether a latency is factor times another and at least spare above it. m and than
// are their logarithms.
func long(m, than, factor float64) bool {
	return m >= than+math.Log(factor) && math.Exp(m) >= math.Exp(than)+spare.Seconds()
}

// logarithm returns the natural logarithm of d in seconds, of a microsecond at least.
func logarithm(d time.Duration) float64 { return math.Log(max(d, time.Microsecond).Seconds()) }
