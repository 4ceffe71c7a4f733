package budget

import "time"

// window sums two counts over the last so many slots of time; the current slot is one of them. Its owner locks it.
type window struct {
	slot  time.Duration
	slots []counts
	sum   counts
	last  int64 // the number of the current slot, counted from the epoch of Unix time
}

type counts struct{ a, b int64 }

func newWindow(length time.Duration, slots int) window {
	return window{slot: max(length/time.Duration(slots), 1), slots: make([]counts, slots)}
}

// move drops what is too old. A time before the latest one seen counts as the latest.
func (w *window) move(now time.Time) {
	to := now.UnixNano() / int64(w.slot)
	n := int64(len(w.slots))
	if to-w.last >= n {
		clear(w.slots)
		w.sum = counts{}
		w.last = to
	}
	for w.last < to {
		w.last++
		old := w.at()
		w.sum.a -= old.a
		w.sum.b -= old.b
		*old = counts{}
	}
}

func (w *window) at() *counts {
	n := int64(len(w.slots))
	return &w.slots[(w.last%n+n)%n]
}

func (w *window) add(a, b int64) {
	c := w.at()
	c.a += a
	c.b += b
	w.sum.a += a
	w.sum.b += b
}
