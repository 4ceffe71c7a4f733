package budget

import (
	"sync/atomic"
	"time"
)

// intervalConcurrency is the budget of a Concurrency with an Interval.
type intervalConcurrency struct {
	drain
	lately       // a sums attempts
	ratio, least float64
	retries      atomic.Int64 // in flight; increased only under lately's lock
}

func (b *intervalConcurrency) limit(sum counts) float64 { return max(b.ratio*float64(sum.a), b.least) }

// affords reports whether one more retry is allowed, and counts it if so.
func (b *intervalConcurrency) affords(sum counts) bool {
	if b.empty.Load() || float64(b.retries.Load()) >= b.limit(sum) {
		return false
	}
	b.retries.Add(1)
	return true
}

func (b *intervalConcurrency) Begin(now time.Time) Permit {
	b.count(now, 1, 0)
	return 0
}

func (b *intervalConcurrency) Admit(now time.Time, _ Kind, _ Evidence, _ Permit) (Permit, bool) {
	return b.admit(now, 1, 0, b.affords)
}

func (b *intervalConcurrency) End(now time.Time, p Permit, e Evidence) {
	b.refill(e)
	if _, retry := paidIn(p); retry {
		b.retries.Add(-1)
	}
	if e == Unsent {
		b.takeBack(now, p, 1, 0)
	}
}

// Level returns the share of the allowed retries that is not in flight.
func (b *intervalConcurrency) Level() float64 {
	limit := b.limit(b.sums())
	if limit == 0 || b.empty.Load() {
		return 0
	}
	return max(0, 1-float64(b.retries.Load())/limit)
}
