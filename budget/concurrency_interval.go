package budget

import (
	"sync"
	"time"
)

// intervalConcurrency is the budget of a Concurrency with an Interval.
type intervalConcurrency struct {
	drain
	ratio, least float64

	mu      sync.Mutex
	window  window // a sums attempts
	retries int    // in flight
}

func (b *intervalConcurrency) Begin(now time.Time) Permit {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.window.move(now)
	b.window.add(1, 0)
	return 0
}

func (b *intervalConcurrency) Admit(now time.Time, _ Kind, _ Evidence, _ Permit) (Permit, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.window.move(now)
	if float64(b.retries) >= b.limit(b.window.sum) || b.empty.Load() {
		return 0, false
	}
	b.window.add(1, 0)
	b.retries++
	return b.window.permit(), true
}

func (b *intervalConcurrency) limit(sum counts) float64 { return max(b.ratio*float64(sum.a), b.least) }

func (b *intervalConcurrency) End(now time.Time, p Permit, e Evidence) {
	b.open(e)
	slot, retry := paidIn(p)
	if !retry {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.retries--
	if e == Unsent {
		b.window.move(now)
		b.window.addAt(slot, -1, 0)
	}
}

// Level returns the share of the allowed retries that is not in flight.
func (b *intervalConcurrency) Level() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	limit := b.limit(b.window.present())
	if limit == 0 || b.empty.Load() {
		return 0
	}
	return max(0, 1-float64(b.retries)/limit)
}
