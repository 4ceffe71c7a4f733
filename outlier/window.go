package outlier

import (
	"math"
	"time"
)

// span is how long one half of a window lasts.
const span = 5 * time.Second

// counts are the attempts of some time, and the logarithms of the latencies of those that were
// timed.
type counts struct {
	good, bad int
	timed     int
	sum, sq   float64
}

func (c *counts) add(o counts, sign int) {
	c.good += sign * o.good
	c.bad += sign * o.bad
	c.timed += sign * o.timed
	c.sum += float64(sign) * o.sum
	c.sq += float64(sign) * o.sq
}

// window has the counts of the last five to ten seconds.
type window struct {
	epoch     int64
	cur, prev counts
}

// roll drops what is too old. A time before the window's own counts as that.
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

// significant is the z-score that a difference must have. Every failure is another look at the
// same figures, so it is above what one look would need.
const significant = 4

// worse reports whether bad of n attempts are more than otherBad of otherN by more than excess
// and chance.
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
	steady = .1                   // the least spread of a logarithm that is assumed
)

// slower reports whether the latencies of c have a geometric mean above that of o by more than
// the factor, a spare and chance.
func (c counts) slower(o counts, factor float64) bool {
	if c.timed < enough || o.timed < enough {
		return false
	}
	n1, n2 := float64(c.timed), float64(o.timed)
	m1, m2 := c.sum/n1, o.sum/n2
	if !long(m1, m2, factor) {
		return false
	}
	spread := func(c counts, n, m float64) float64 { return max(steady*steady, c.sq/n-m*m) }
	return m1-m2 >= significant*math.Sqrt(spread(c, n1, m1)/n1+spread(o, n2, m2)/n2)
}

// long reports whether the logarithm of one latency lies that far above another's.
func long(m, than, factor float64) bool {
	return m >= than+math.Log(factor) && math.Exp(m) >= math.Exp(than)+spare.Seconds()
}

// logarithm returns that of a latency in seconds.
func logarithm(d time.Duration) float64 { return math.Log(max(d, time.Microsecond).Seconds()) }
