package timeout

import (
	"sync/atomic"
	"time"
)

const (
	perWindow = 4       // slices of a window: what is forgotten is forgotten a quarter at a time
	full      = 1 << 29 // samples in one slice: four of them fit 32 bits, with room to spare
)

// A window is the last few slices of time, a histogram each. Adding is concurrent; all else is for
// one goroutine at a time. An addition that is under way while its slice is cleared is counted in
// the new one or lost: one sample.
type window struct {
	slices [perWindow]histogram
	active atomic.Uint32 // the slice that is added to; the next one is the oldest
	began  time.Duration // when the active one began, as time since the estimator's base
}

func newWindow(longest time.Duration) *window {
	w := new(window)
	for i := range w.slices {
		w.slices[i] = newHistogram(longest)
	}
	return w
}

func (w *window) add(d time.Duration, answered bool) { w.slices[w.active.Load()].add(d, answered) }

// turn forgets the slices that are out of the window, as long as at least keep answers are left.
// A slice lasts for age. It counts answers, not samples: an hour in which all attempts are given
// up leaves what was known before. A slice whose counters could overflow ends at once.
func (w *window) turn(now, age time.Duration, keep uint64) {
	if answered, censored := w.slices[w.active.Load()].count(); answered+censored >= full {
		w.next(now)
		return
	}
	for overdue := min((now-w.began)/age, perWindow); overdue > 0; overdue-- {
		if w.answersBut(w.active.Load()+1) < keep {
			return
		}
		w.next(now)
	}
}

// next forgets the oldest slice and begins a new one.
func (w *window) next(now time.Duration) {
	oldest := (w.active.Load() + 1) % perWindow
	w.slices[oldest].clear()
	w.active.Store(oldest)
	w.began = now
}

// answersBut counts the answers in all slices but the i-th.
func (w *window) answersBut(i uint32) (n uint64) {
	for j := range uint32(perWindow - 1) {
		answered, _ := w.slices[(i+1+j)%perWindow].count()
		n += answered
	}
	return n
}

// read puts the sum of all slices into t.
func (w *window) read(t []tally) {
	clear(t)
	for _, h := range w.slices {
		h.addTo(t)
	}
}
