package budget

import (
	"cmp"
	"errors"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// Finagle is the RetryBudget of Twitter's Finagle (and of Linkerd, and of Rust's tower): over a
// window of TTL in ten slots, each call deposits 1, each retry withdraws 1/Ratio, and MinPerSecond
// retries a second are always there. A new process starts with that reserve, MinPerSecond x TTL
// retries.
type Finagle struct {
	TTL          time.Duration // 0 means 10s; between 1s and 60s, as Finagle has it
	Ratio        float64       // retries to calls; 0 means 0.2; between 0.001 and 1000
	MinPerSecond int           // the reserve; 0 means 10; negative means none
}

const (
	finagleSlots   = 10
	finagleDeposit = 1000
)

// Validate reports every field that is out of its range.
func (f Finagle) Validate() error {
	return errors.Join(
		conf.Check(f.TTL == 0 || f.TTL >= time.Second && f.TTL <= time.Minute, "TTL",
			"must be 0 (the default) or between 1s and 1m0s, not %v", f.TTL),
		conf.Check(f.Ratio == 0 || f.Ratio >= 0.001 && f.Ratio <= 1000, "Ratio",
			"must be 0 (the default) or between 0.001 and 1000, not %v", f.Ratio),
		conf.Check(f.MinPerSecond <= 1e6, "MinPerSecond", "must be at most 1000000, not %d", f.MinPerSecond),
	)
}

// New returns a budget with nothing deposited.
func (f Finagle) New() Budget {
	ttl := cmp.Or(f.TTL, 10*time.Second)
	perSecond := max(cmp.Or(f.MinPerSecond, 10), 0)
	b := &finagle{cost: int64(finagleDeposit / cmp.Or(f.Ratio, 0.2))}
	b.window = newWindow(ttl, finagleSlots)
	b.reserve = int64(ttl/time.Second) * int64(perSecond) * b.cost
	return b
}

type finagle struct {
	drain
	lately        // a sums deposits less withdrawals
	cost, reserve int64
}

func (b *finagle) affords(sum counts) bool { return !b.empty.Load() && sum.a+b.reserve >= b.cost }

func (b *finagle) Begin(now time.Time) Permit {
	b.count(now, finagleDeposit, 0)
	return 0
}

func (b *finagle) Admit(now time.Time, _ Kind, _ Evidence, _ Permit) (Permit, bool) {
	return b.admit(now, -b.cost, 0, b.affords)
}

func (b *finagle) End(now time.Time, p Permit, e Evidence) {
	b.refill(e)
	if e == Unsent {
		b.takeBack(now, p, -b.cost, 0)
	}
}

// Level returns the share of the reserve that is left, or 1 when calls have deposited more than
// retries took.
func (b *finagle) Level() float64 {
	sum := b.sums()
	if !b.affords(sum) {
		return 0
	}
	return min(1, float64(sum.a+b.reserve)/float64(max(b.reserve, b.cost)))
}
