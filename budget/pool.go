package budget

import (
	"sync/atomic"
	"time"
)

// pooled holds tokens that retries take. Budgets embed it.
type pooled struct {
	drain
	tokens pool
	least  int64 // what must be there for a retry
}

// Timeless marks that no method uses the time.
func (b *pooled) Timeless() {}

func (b *pooled) Begin(time.Time) Permit { return 0 }

// Level returns the share of the tokens that is left.
func (b *pooled) Level() float64 {
	if b.empty.Load() {
		return 0
	}
	return b.tokens.level(b.least)
}

// pool is a number between 0 and its size that many goroutines take from and add to.
type pool struct {
	left atomic.Int64
	size int64
}

func (p *pool) init(size int64) {
	p.size = size
	p.left.Store(size)
}

// take withdraws cost if at least least is there, and reports whether it was.
func (p *pool) take(cost, least int64) bool {
	for {
		left := p.left.Load()
		if left < least {
			return false
		}
		if p.left.CompareAndSwap(left, left-cost) {
			return true
		}
	}
}

// add adds n, which may be negative, within the bounds.
func (p *pool) add(n int64) {
	for {
		left := p.left.Load()
		next := min(max(left+n, 0), p.size)
		if next == left || p.left.CompareAndSwap(left, next) {
			return
		}
	}
}

// level returns the share of the pool that is left, and 0 where less than least is left.
func (p *pool) level(least int64) float64 {
	left := p.left.Load()
	if left < least {
		return 0
	}
	return float64(left) / float64(p.size)
}
