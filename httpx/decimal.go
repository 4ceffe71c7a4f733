package httpx

import (
	"math"
	"math/bits"
	"strings"
	"time"
)

// decimal is a number from a header, exact to the billionth and never negative.
type decimal struct {
	whole      int64 // at most maxWhole
	billionths int64 // of one, below 1e9
}

// maxWhole replaces all larger numbers.
const maxWhole = 1e17

// parseDecimal parses digits with at most one point, "1.5": neither signs nor exponents.
func parseDecimal(v string) (decimal, bool) {
	whole, fraction, _ := strings.Cut(v, ".")
	if whole == "" && fraction == "" || !isDigits(whole) || !isDigits(fraction) {
		return decimal{}, false
	}
	var n decimal
	for _, c := range []byte(whole) {
		n.whole = min(10*n.whole+int64(c-'0'), maxWhole)
	}
	scale := int64(1e8)
	for _, c := range []byte(fraction) {
		n.billionths += int64(c-'0') * scale
		scale /= 10
	}
	return n, true
}

func isDigits(v string) bool { return strings.Trim(v, "0123456789") == "" }

// times returns n units, at most the longest Duration.
func (n decimal) times(unit time.Duration) time.Duration {
	if n.whole > math.MaxInt64/int64(unit) {
		return math.MaxInt64
	}
	high, low := bits.Mul64(uint64(n.billionths), uint64(unit))
	fraction, _ := bits.Div64(high, low, 1e9) // less than unit
	d := time.Duration(n.whole)*unit + time.Duration(fraction)
	if d < 0 { // overflow
		return math.MaxInt64
	}
	return d
}
