package budget

import "time"

// Age makes a new Adaptive budget one that has seen so many attempts end, over so long a time.
func Age(b Budget, ends uint64, elapsed time.Duration) {
	a := b.(*adaptive)
	a.ends.Store(ends)
	a.elapsed = elapsed
	a.started = true
	a.start = time.Unix(1_700_000_000, 0).Add(-elapsed)
	a.seen = ends
	a.hedgeAdded, a.waitedAt = elapsed, elapsed
	a.retries.sent, a.retries.event = elapsed, elapsed
}
