package drive

import (
	"sync/atomic"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
)

// Unknown is a destination's budget for retries after errors that no classifier knows, such as
// those of a function given to Do. Some of these errors mean "not there", which no retry helps, so
// they must not use up the budget for failures. This one pays for four retries that do not help,
// and a tenth of one more for each success. A call's second retry is granted only while no more
// than one is spent, so that an outage with unknown errors costs little, and two calls that ask
// for what is not there leave one retry for a third.
type Unknown struct {
	spent atomic.Int32 // in units of a tenth of a retry, from 0 (full) to mostUnknowns
}

const (
	oneRetry     = 10           // the units of one retry; a success is worth one unit
	mostUnknowns = 4 * oneRetry // the units in a full bucket
	forOthers    = 2 * oneRetry // the units that a call leaves to others once it has had a retry
)

// NewUnknown returns a full bucket or, if drained is true, an empty one, which grants no retry
// until ten successes have paid for one.
func NewUnknown(drained bool) *Unknown {
	b := new(Unknown)
	if drained {
		b.spent.Store(mostUnknowns)
	}
	return b
}

// Spent reports whether the bucket is not full. A nil bucket reports false.
func (b *Unknown) Spent() bool { return b != nil && b.spent.Load() != 0 }

// Refill adds the unit of a success. It only loads a full bucket's state.
func (b *Unknown) Refill() {
	if b.spent.Load() != 0 {
		b.give(1)
	}
}

// Begin implements budget.Budget.
func (b *Unknown) Begin(time.Time) budget.Permit { return 0 }

// Admit implements budget.Budget. held is the permit of the call's latest retry of this bucket, 0
// if it had none.
func (b *Unknown) Admit(_ time.Time, _ budget.Kind, _ budget.Evidence, held budget.Permit) (budget.Permit, bool) {
	limit := int32(mostUnknowns)
	if held != 0 {
		limit -= forOthers
	}
	for {
		spent := b.spent.Load()
		if spent+oneRetry > limit {
			return 0, false
		}
		if b.spent.CompareAndSwap(spent, spent+oneRetry) {
			return oneRetry, true
		}
	}
}

// End implements budget.Budget. A retry that helped, or was not sent, costs nothing.
func (b *Unknown) End(_ time.Time, p budget.Permit, e budget.Evidence) {
	switch e {
	case budget.Alive:
		b.give(max(1, int32(p)))
	case budget.Unsent:
		b.give(int32(p))
	}
}

func (b *Unknown) give(units int32) {
	for {
		spent := b.spent.Load()
		if spent == 0 || b.spent.CompareAndSwap(spent, max(0, spent-units)) {
			return
		}
	}
}
