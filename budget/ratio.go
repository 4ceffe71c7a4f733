package budget

import (
	"cmp"
	"errors"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// Ratio is the per-client retry budget of the book Site Reliability Engineering, chapter 21
// (https://sre.google/sre-book/handling-overload/): a retry is sent only while less than Ratio of
// all attempts of the last two minutes were retries.
type Ratio struct {
	Ratio  float64       // 0 means 0.1; at most 1
	Window time.Duration // 0 means 2m; between 1s and 1h
}

const ratioSlots = 24

// Validate reports every field that is out of its range.
func (r Ratio) Validate() error {
	return errors.Join(
		conf.Check(r.Ratio >= 0 && r.Ratio <= 1, "Ratio", "must be 0 (the default) or above 0 and at most 1, not %v", r.Ratio),
		checkWindow(r.Window),
	)
}

// New returns a budget that has seen nothing yet, and so allows no retry before the first call.
func (r Ratio) New() Budget {
	b := &ratio{ratio: cmp.Or(r.Ratio, 0.1)}
	b.window = newWindow(cmp.Or(r.Window, 2*time.Minute), ratioSlots)
	return b
}

type ratio struct {
	drain
	lately // a sums attempts, b retries among them
	ratio  float64
}

func (b *ratio) affords(sum counts) bool {
	return !b.empty.Load() && float64(sum.b) < b.ratio*float64(sum.a)
}

func (b *ratio) Begin(now time.Time) Permit {
	b.count(now, 1, 0)
	return 0
}

func (b *ratio) Admit(now time.Time, _ Kind, _ Evidence, _ Permit) (Permit, bool) {
	return b.admit(now, 1, 1, b.affords)
}

func (b *ratio) End(now time.Time, p Permit, e Evidence) {
	b.refill(e)
	if e == Unsent {
		b.takeBack(now, p, 1, 1)
	}
}

// Level returns the share of the allowed retries that was not used.
func (b *ratio) Level() float64 {
	sum := b.sums()
	if !b.affords(sum) {
		return 0
	}
	return min(1, 1-float64(sum.b)/(b.ratio*float64(sum.a)))
}
