package budget

import (
	"cmp"
	"errors"
	"math"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// Adaptive is the default budget: a bucket that only successes fill, and that stops retrying while nothing proves
// that the destination is alive. The package comment explains the rule. Each field at zero means its default.
type Adaptive struct {
	// Ratio is what one success earns, in retries: 0.1 allows one retry for ten successes in the long run.
	// It is kept in thousandths. 0 means 0.1; at most 1.
	Ratio float64
	// Burst is how many retries a full bucket holds. A new process starts with two thirds of it, rounded up.
	// 0 means 15, so 10 at the start; at most 100.
	Burst int
	// Strict lets one retry be unanswered at first instead of two, whatever MaxAttempts says. That halves what an
	// outage costs a large fleet of quiet clients, and a quiet client's call stops after its second failure.
	Strict bool
}

// Validate reports every field that is out of its range.
func (a Adaptive) Validate() error {
	var errs []error
	if a.Ratio != 0 && !(a.Ratio >= 0.001 && a.Ratio <= 1) {
		errs = append(errs, conf.Errorf("Ratio", "must be 0 (the default) or between 0.001 and 1, not %v", a.Ratio))
	}
	if a.Burst < 0 || a.Burst > 100 {
		errs = append(errs, conf.Errorf("Burst", "must be between 0 (the default) and 100, not %d", a.Burst))
	}
	return errors.Join(errs...)
}

// New returns a *Bucket that is two thirds full.
func (a Adaptive) New() Budget {
	burst := uint64(cmp.Or(a.Burst, 15))
	b := &Bucket{
		gain:   uint64(math.Round(cmp.Or(a.Ratio, 0.1)*token)) << tokensShift,
		burst:  burst * token << tokensShift,
		narrow: 2 * eighth,
		strict: a.Strict,
	}
	if a.Strict {
		b.narrow = eighth
	}
	b.word.Store((2*burst+2)/3*token<<tokensShift | b.narrow<<windowShift)
	return b
}
