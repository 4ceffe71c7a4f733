package report

import (
	"fmt"
	"math"
	"regexp"
)

// Axis is a scale of figures, with a place of its own at the far end for what never happens.
type Axis struct {
	Label  string
	Format func(float64) string
	log    bool
	lo, hi float64
	exact  []float64 // ticks at these; nil: at round figures
	never  bool
}

// NewAxis returns an axis that spans the values, and begins at or above floor. There is at least
// one value.
func NewAxis(label string, format func(float64) string, log bool, floor float64, values []float64) Axis {
	a := Axis{Label: label, Format: format, log: log, lo: math.Inf(1), hi: math.Inf(-1)}
	for _, v := range values {
		switch {
		case math.IsInf(v, 1):
			a.never = true
		case math.IsNaN(v) || log && v <= 0:
		default:
			a.lo, a.hi = min(a.lo, v), max(a.hi, v)
		}
	}
	if a.lo > a.hi { // nothing but what never happens
		a.lo, a.hi = 1, 10
	}
	if log {
		a.lo, a.hi = roundDown(a.lo), min(roundUp(a.hi), 1.25*a.hi)
		if a.lo == a.hi {
			a.hi *= 10
		}
		return a
	}
	a.lo = min(a.lo, floor)
	if a.hi <= a.lo {
		a.hi = a.lo + 1
	}
	step := stepOf(a.hi - a.lo)
	a.lo, a.hi = math.Floor(a.lo/step+1e-9)*step, math.Ceil(a.hi/step-1e-9)*step
	return a
}

// Exactly returns an axis from the first to the last of some values, in their order. Its ticks are
// the values themselves, unless they are many.
func Exactly(label string, log bool, values []float64) Axis {
	a := Axis{Label: label, Format: plain, log: log && values[0] > 0, lo: values[0], hi: values[len(values)-1], exact: values}
	if len(values) > 10 {
		a.exact = nil
	}
	if a.lo == a.hi {
		a.hi++
	}
	return a
}

// part returns the position of a figure, from 0 to 1.
func (a Axis) part(v float64) float64 {
	whole := 1.
	if a.never {
		whole = .88
	}
	switch {
	case math.IsInf(v, 1):
		return .96
	case a.log:
		return whole * math.Log(max(v, a.lo)/a.lo) / math.Log(a.hi/a.lo)
	}
	return whole * (v - a.lo) / (a.hi - a.lo)
}

// plain shows a figure with four digits.
func plain(v float64) string { return fmt.Sprintf("%.4g", v) }

// ticks returns the figures to be written at the axis.
func (a Axis) ticks() []float64 {
	if a.exact != nil {
		return a.exact
	}
	var ticks []float64
	if !a.log {
		step := stepOf(a.hi - a.lo)
		for i := math.Round(a.lo / step); i*step <= a.hi+step/1e6; i++ {
			ticks = append(ticks, i*step)
		}
		return ticks
	}
	digits := []float64{1, 2, 5}
	if a.hi/a.lo > 1000 {
		digits = digits[:1]
	}
	for power := math.Pow(10, math.Floor(math.Log10(a.lo)+1e-9)); power <= a.hi*1.001; power *= 10 {
		for _, d := range digits {
			if v := d * power; v >= a.lo*.999 && v <= a.hi*1.001 {
				ticks = append(ticks, v)
			}
		}
	}
	return ticks
}

var (
	wholeZeros    = regexp.MustCompile(`\.0+( |x|$)`)
	trailingZeros = regexp.MustCompile(`(\.\d*[1-9])0+( |x|$)`)
)

// text returns a tick's figure without needless decimals.
func (a Axis) text(v float64) string {
	return trailingZeros.ReplaceAllString(wholeZeros.ReplaceAllString(a.Format(v), "$1"), "$1$2")
}

// texts returns the texts of all ticks, and of what never happens.
func (a Axis) texts() []string {
	var all []string
	for _, v := range a.ticks() {
		all = append(all, a.text(v))
	}
	if a.never {
		all = append(all, "never")
	}
	return all
}

// stepOf cuts a span into four to ten steps of 1, 2 or 5 times a power of ten.
func stepOf(span float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(span/4)+1e-9))
	for _, d := range []float64{5, 2} {
		if span/(d*power) >= 4-1e-9 {
			return d * power
		}
	}
	return power
}

// roundDown returns the next 1, 2 or 5 times a power of ten at or below v.
func roundDown(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)+1e-9))
	for _, d := range []float64{5, 2} {
		if v/power >= d*(1-1e-9) {
			return d * power
		}
	}
	return power
}

// roundUp returns the next 1, 2 or 5 times a power of ten at or above v.
func roundUp(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)+1e-9))
	for _, d := range []float64{1, 2, 5} {
		if v/power <= d*(1+1e-9) {
			return d * power
		}
	}
	return 10 * power
}
