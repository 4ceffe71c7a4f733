package backoff

import "time"

// FullJitter waits a time drawn evenly between 0 and min(cap, base*2^(wait-1)): the "full jitter"
// of the AWS Architecture Blog's "Exponential Backoff and Jitter". At the cap it is spread between
// 0 and cap. It panics unless 0 < base <= cap.
func FullJitter(base, cap time.Duration) Strategy { return must("FullJitter", fullJitter{base, cap}) }

// EqualJitter waits half of min(cap, base*2^(wait-1)) and a time drawn evenly from the other half:
// the "equal jitter" of the article that [FullJitter] names. At the cap it is spread between cap/2
// and cap. It panics unless 0 < base <= cap.
func EqualJitter(base, cap time.Duration) Strategy {
	return must("EqualJitter", equalJitter{base, cap})
}

// DecorrelatedJitter waits a time drawn evenly between base and three times the wait before, the
// first between base and 3*base, always at most cap: the "decorrelated jitter" of the article that
// [FullJitter] names, but for one thing. The article draws first and cuts at the cap after, which
// leaves up to two of three clients waiting for exactly cap; here the range is cut and the draw
// spread over it. [Cap] over this with a boundless cap is the article's formula to the letter. It
// panics unless 0 < base <= cap.
func DecorrelatedJitter(base, cap time.Duration) Strategy {
	return must("DecorrelatedJitter", decorrelatedJitter{base, cap})
}

type fullJitter struct{ Base, Cap time.Duration }

func (f fullJitter) Validate() error { return validRange("Base", f.Base, f.Cap) }

func (f fullJitter) Delay(wait int, _ time.Duration, u float64) time.Duration {
	return part(doubled(f.Base, f.Cap, wait), unit(u))
}

type equalJitter struct{ Base, Cap time.Duration }

func (e equalJitter) Validate() error { return validRange("Base", e.Base, e.Cap) }

func (e equalJitter) Delay(wait int, _ time.Duration, u float64) time.Duration {
	return upperHalf(doubled(e.Base, e.Cap, wait), unit(u))
}

// upperHalf returns a duration between d/2 and d.
func upperHalf(d time.Duration, u float64) time.Duration { return d/2 + part(d-d/2, u) }

type decorrelatedJitter struct{ Base, Cap time.Duration }

func (d decorrelatedJitter) Validate() error { return validRange("Base", d.Base, d.Cap) }

func (d decorrelatedJitter) Delay(_ int, prev time.Duration, u float64) time.Duration {
	prev = max(prev, d.Base)
	high := d.Cap
	if prev <= d.Cap/3 {
		high = 3 * prev
	}
	return d.Base + part(high-d.Base, unit(u))
}
