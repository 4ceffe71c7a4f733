package budget

import (
	"slices"
	"sync"
	"time"
)

// lately counts attempts in a sliding window of time. Budgets embed it.
type lately struct {
	mu     sync.Mutex
	window window
}

// count adds to the current slot.
func (l *lately) count(now time.Time, a, b int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.window.move(now)
	l.window.add(a, b)
}

// admit adds to the current slot if affords allows it for the sums, and returns a permit of that
// slot.
func (l *lately) admit(now time.Time, a, b int64, affords func(counts) bool) (Permit, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.window.move(now)
	if !affords(l.window.sum) {
		return 0, false
	}
	l.window.add(a, b)
	return l.window.permit(), true
}

// takeBack subtracts what admit added, from the permit's slot. It ignores the permit of a first
// attempt.
func (l *lately) takeBack(now time.Time, p Permit, a, b int64) {
	slot, paid := paidIn(p)
	if !paid {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.window.move(now)
	l.window.addAt(slot, -a, -b)
}

// sums returns the sums as of now.
func (l *lately) sums() counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.window.present()
}

// window sums two counts over the latest slots of time, the current one included. Its owner locks
// it, and calls move first.
type window struct {
	slot  time.Duration
	slots []counts
	sum   counts
	clock steadyClock
	last  int64 // the number of the current slot
}

type counts struct{ a, b int64 }

func newWindow(length time.Duration, slots int) window {
	return window{slot: max(length/time.Duration(slots), 1), slots: make([]counts, slots)}
}

// move makes the slot of now the current one, and drops slots that are too old.
func (w *window) move(now time.Time) {
	to := int64(w.clock.at(now) / w.slot)
	n := int64(len(w.slots))
	if to-w.last >= n {
		clear(w.slots)
		w.sum = counts{}
		w.last = to
	}
	for w.last < to {
		w.last++
		old := w.at(w.last)
		w.sum.a -= old.a
		w.sum.b -= old.b
		*old = counts{}
	}
}

// present returns the sums as of now for a Level, which has no time argument, and changes
// nothing. It reads the clock unless the latest time passed to the window is that of another
// clock, as in a simulation: such times are years away.
func (w window) present() counts {
	now := time.Now()
	if age := now.Sub(w.clock.read); age > 0 && age < 30*24*time.Hour {
		w.slots = slices.Clone(w.slots)
		w.move(now)
	}
	return w.sum
}

func (w *window) at(slot int64) *counts {
	n := int64(len(w.slots))
	return &w.slots[(slot%n+n)%n]
}

func (w *window) add(a, b int64) { w.addAt(w.last, a, b) }

// addAt adds to a slot, unless it was dropped.
func (w *window) addAt(slot, a, b int64) {
	if slot <= w.last-int64(len(w.slots)) || slot > w.last {
		return
	}
	c := w.at(slot)
	c.a += a
	c.b += b
	w.sum.a += a
	w.sum.b += b
}

// permit returns a permit that holds the current slot.
func (w *window) permit() Permit { return Permit(w.last)<<1 | 1 }

// paidIn returns the slot that a permit holds, or false for the permit of a first attempt.
func paidIn(p Permit) (int64, bool) { return int64(p) >> 1, p&1 != 0 }
