package backoff

import (
	"errors"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// Cap lowers the delays of another strategy that are above max to max. Put it inside of jitter,
// Full(Cap(curve, max)): outside, all the delays above max become the same one. It panics if of
// is nil or invalid, or max is not above 0.
func Cap(of Strategy, max time.Duration) Strategy { return wrap(must("Cap", capped{of, max})) }

// Floor raises the delays of another strategy that are below min to min. It panics if of is nil
// or invalid, or min is negative.
func Floor(of Strategy, min time.Duration) Strategy { return wrap(must("Floor", floored{of, min})) }

// Full puts full jitter on a curve: a time drawn evenly between 0 and the curve's delay. The curve
// should have no jitter of its own, which would use the same random number. It panics if of is nil
// or invalid.
func Full(of Strategy) Strategy { return wrap(must("Full", full{of})) }

// Equal puts equal jitter on a curve: half of the curve's delay and a time drawn evenly from the
// other half. The curve should have no jitter of its own, which would use the same random number.
// It panics if of is nil or invalid.
func Equal(of Strategy) Strategy { return wrap(must("Equal", equal{of})) }

// Proportional multiplies a curve's delay by a number drawn evenly from [1-by, 1+by). gRPC's
// retries are Proportional(curve, 0.2) (gRFC A6), those of cenkalti/backoff Proportional(curve,
// 0.5), and both put it on the capped curve as this does: the jitter survives the cap, and the
// longest delay is 1+by times the cap. With 0 it is the curve itself. The curve should have no
// jitter of its own, which would use the same random number. It panics if of is nil or invalid, or
// by is not within 0 and 1.
func Proportional(of Strategy, by float64) Strategy {
	return wrap(must("Proportional", proportional{of, by}))
}

type capped struct {
	Of  Strategy
	Max time.Duration
}

func (c capped) Validate() error {
	return errors.Join(validOf(c.Of), conf.Check(c.Max > 0, "Max", "must be above 0, not %v", c.Max))
}

func (c capped) Delay(wait int, prev time.Duration, u float64) time.Duration {
	return min(c.Of.Delay(wait, prev, u), c.Max)
}

type floored struct {
	Of  Strategy
	Min time.Duration
}

func (f floored) Validate() error {
	return errors.Join(validOf(f.Of), conf.Check(f.Min >= 0, "Min", "must not be negative, not %v", f.Min))
}

func (f floored) Delay(wait int, prev time.Duration, u float64) time.Duration {
	d := f.Of.Delay(wait, prev, u)
	if d < 0 {
		return d
	}
	return max(d, f.Min)
}

type full struct{ Of Strategy }

func (f full) Validate() error { return validOf(f.Of) }

func (f full) Delay(wait int, prev time.Duration, u float64) time.Duration {
	d := f.Of.Delay(wait, prev, u)
	if d < 0 {
		return d
	}
	return part(d, unit(u))
}

type equal struct{ Of Strategy }

func (e equal) Validate() error { return validOf(e.Of) }

func (e equal) Delay(wait int, prev time.Duration, u float64) time.Duration {
	d := e.Of.Delay(wait, prev, u)
	if d < 0 {
		return d
	}
	return upperHalf(d, unit(u))
}

type proportional struct {
	Of Strategy
	By float64
}

func (p proportional) Validate() error {
	return errors.Join(validOf(p.Of), conf.Check(p.By >= 0 && p.By <= 1, "By", "must be within 0 and 1, not %v", p.By))
}

func (p proportional) Delay(wait int, prev time.Duration, u float64) time.Duration {
	d := p.Of.Delay(wait, prev, u)
	if d <= 0 || p.By == 0 {
		return d
	}
	return saturated(float64(d) * (1 + p.By*(2*unit(u)-1)))
}

func validOf(s Strategy) error { return conf.In("Of", Validate(s)) }
