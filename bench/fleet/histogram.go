package fleet

import (
	"math"
	"time"
)

// histogram counts durations in classes that are 2 % wide, from a microsecond on.
type histogram struct {
	classes []int
	n       int
}

const classWidth = 1.02

func (h *histogram) add(ns int64) {
	i := 0
	if us := float64(ns) / 1e3; us > 1 {
		i = int(math.Ceil(math.Log(us) / math.Log(classWidth)))
	}
	for len(h.classes) <= i {
		h.classes = append(h.classes, 0)
	}
	h.classes[i]++
	h.n++
}

// Took returns the time in which a share of the clients' calls that succeeded had done so, to
// within 2 %; 0 if none succeeded.
func (r *Result) Took(share float64) time.Duration {
	left := int(math.Ceil(share * float64(r.took.n)))
	for i, n := range r.took.classes {
		if left -= n; left <= 0 {
			return time.Duration(1e3 * math.Pow(classWidth, float64(i)))
		}
	}
	return 0
}
