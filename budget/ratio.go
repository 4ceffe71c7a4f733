package budget

import (
	"cmp"
	"errors"
	"sync"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// Ratio is the per-client retry budget of the book Site Reliability Engineering, chapter 21
// (https://sre.google/sre-book/handling-overload/): a retry is sent only while less than Ratio of
// all attempts of the last two minutes were retries.
type Ratio struct {
	Ratio  float64       // 0 means 0.1; at most 1
	Window time.Duration // 0 means 2m; between 1s and 1h
}

const ratioSlots = 24

// Validate reports every field that is out of its range.
func (r Ratio) Validate() error {
	var errs []error
	if !(r.Ratio >= 0 && r.Ratio <= 1) {
		errs = append(errs, conf.Errorf("Ratio", "must be 0 (the default) or above 0 and at most 1, not %v", r.Ratio))
	}
	return errors.Join(append(errs, checkWindow(r.Window))...)
}

// New returns a budget that has seen nothing yet, and so allows no retry before the first call.
func (r Ratio) New() Budget {
	return &ratio{ratio: cmp.Or(r.Ratio, 0.1), window: newWindow(cmp.Or(r.Window, 2*time.Minute), ratioSlots)}
}

type ratio struct {
	drain
	ratio float64

	mu     sync.Mutex
	window window // a sums attempts, b retries among them
}

func (b *ratio) Begin(now time.Time) Permit {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.window.move(now)
	b.window.add(1, 0)
	return 0
}

func (b *ratio) Admit(now time.Time, _ Kind, _ Evidence, _ Permit) (Permit, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.window.move(now)
	if !(float64(b.window.sum.b) < b.ratio*float64(b.window.sum.a)) || b.empty.Load() {
		return 0, false
	}
	b.window.add(1, 1)
	return b.window.permit(), true
}

func (b *ratio) End(now time.Time, p Permit, e Evidence) {
	b.open(e)
	slot, paid := paidIn(p)
	if e != Unsent || !paid {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.window.move(now)
	b.window.addAt(slot, -1, -1)
}

// Level returns the share of the allowed retries that was not used.
func (b *ratio) Level() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	sum := b.window.present()
	allowed := b.ratio * float64(sum.a)
	if !(float64(sum.b) < allowed) || b.empty.Load() {
		return 0
	}
	return min(1, 1-float64(sum.b)/allowed)
}
