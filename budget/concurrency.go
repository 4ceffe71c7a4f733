package budget

import (
	"cmp"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// Concurrency is Envoy's retry budget
// (https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/circuit_breaker.proto): a
// retry is allowed while fewer retries are in flight than Ratio of all attempts in flight, or than
// Min. An attempt is in flight from its admission, so a retry that waits for its backoff counts,
// as it does in Envoy. Envoy's code also rounds the limit down to a whole number, which its
// documentation does not say and this does not do.
type Concurrency struct {
	Ratio float64 // retries to attempts; 0 means 0.2; at most 1
	Min   int     // retries that are always allowed; 0 means 3; negative means none
	// Interval, if it is set, makes Ratio a part of the attempts sent within it, in place of
	// those in flight, as Envoy's budget_interval does. Retries are still counted while they are
	// in flight. At least 100ms; at most 1h.
	Interval time.Duration
}

const intervalSlots = 10 // as in Envoy

// Validate reports every field that is out of its range.
func (c Concurrency) Validate() error {
	return errors.Join(
		conf.Check(c.Ratio >= 0 && c.Ratio <= 1, "Ratio", "must be 0 (the default) or above 0 and at most 1, not %v", c.Ratio),
		conf.Check(c.Min <= 1e9, "Min", "must be at most 1e9, not %d", c.Min),
		conf.Check(c.Interval == 0 || c.Interval >= 100*time.Millisecond && c.Interval <= time.Hour, "Interval",
			"must be 0 (none) or between 100ms and 1h0m0s, not %v", c.Interval),
	)
}

// New returns a budget with nothing in flight.
func (c Concurrency) New() Budget {
	ratio, least := cmp.Or(c.Ratio, 0.2), float64(max(cmp.Or(c.Min, 3), 0))
	if c.Interval > 0 {
		b := &intervalConcurrency{ratio: ratio, least: least}
		b.window = newWindow(c.Interval, intervalSlots)
		return b
	}
	return &concurrency{ratio: ratio, least: least}
}

type concurrency struct {
	drain
	ratio, least float64
	inFlight     atomic.Uint64 // attempts in the low half, the retries among them in the high half
}

const (
	oneAttempt = 1
	oneRetry   = 1<<32 + 1
)

func (b *concurrency) Timeless() {}

func (b *concurrency) Begin(time.Time) Permit {
	b.inFlight.Add(oneAttempt)
	return oneAttempt
}

func (b *concurrency) Admit(time.Time, Kind, Evidence, Permit) (Permit, bool) {
	for {
		now := b.inFlight.Load()
		if float64(now>>32) >= b.limit(now) || b.empty.Load() {
			return 0, false
		}
		if b.inFlight.CompareAndSwap(now, now+oneRetry) {
			return oneRetry, true
		}
	}
}

func (b *concurrency) limit(now uint64) float64 {
	return max(b.ratio*float64(now&math.MaxUint32), b.least)
}

func (b *concurrency) End(_ time.Time, p Permit, e Evidence) {
	b.refill(e)
	b.inFlight.Add(-uint64(p))
}

// Level returns the share of the allowed retries that is not in flight.
func (b *concurrency) Level() float64 {
	now := b.inFlight.Load()
	limit := b.limit(now)
	if limit == 0 || b.empty.Load() {
		return 0
	}
	return max(0, 1-float64(now>>32)/limit)
}
