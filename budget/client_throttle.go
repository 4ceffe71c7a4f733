package budget

import (
	"cmp"
	"errors"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// ClientThrottle is adaptive throttling on the client's side, of the book Site Reliability
// Engineering, chapter 21 (https://sre.google/sre-book/handling-overload/): it refuses even first
// attempts, at random, with probability max(0, (requests - K*accepts) / (requests + 1)) over the
// last two minutes. Requests counts all attempts, including those that were refused; accepts
// counts those that ended Alive. An attempt that ended None or Unsent is not counted. The budget
// in Retries decides on retries and hedges.
type ClientThrottle struct {
	K       float64       // 0 means 2; between 1 and 1000: lower refuses more
	Window  time.Duration // 0 means 2m; between 1s and 1h
	Retries Spec          // the budget of retries and hedges; nil means Adaptive{}
}

// Validate reports every field that is out of its range.
func (c ClientThrottle) Validate() error {
	return errors.Join(
		conf.Check(c.K == 0 || c.K >= 1 && c.K <= 1000, "K", "must be 0 (the default) or between 1 and 1000, not %v", c.K),
		c.checkRetries(),
		checkWindow(c.Window),
	)
}

func (c ClientThrottle) checkRetries() error {
	switch c.Retries.(type) {
	case ClientThrottle, *ClientThrottle:
		return conf.Errorf("Retries", "must not be a ClientThrottle itself")
	}
	return conf.CheckPart("Retries", c.Retries)
}

func checkWindow(w time.Duration) error {
	return conf.Check(w == 0 || w >= time.Second && w <= time.Hour, "Window",
		"must be 0 (the default) or between 1s and 1h0m0s, not %v", w)
}

// New returns a budget that implements Gate and has seen nothing yet.
func (c ClientThrottle) New() Budget {
	b := &clientThrottle{retries: c.retries().New(), k: cmp.Or(c.K, 2)}
	b.window = newWindow(cmp.Or(c.Window, 2*time.Minute), ratioSlots)
	return b
}

// retries returns the Spec of the budget that pays for retries.
func (c ClientThrottle) retries() Spec { return cmp.Or[Spec](c.Retries, Adaptive{}) }

type clientThrottle struct {
	retries Budget
	k       float64
	lately  // a sums requests, b accepts
}

// Allow counts a first attempt, and reports whether it may be sent. Begin must be called if and
// only if it may.
func (b *clientThrottle) Allow(now time.Time, u float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.window.move(now)
	refuse := b.refusal()
	b.window.add(1, 0)
	return u >= refuse
}

// refusal returns the probability with which a first attempt is refused.
func (b *clientThrottle) refusal() float64 {
	// End takes back what is not counted, and may do so after the window has dropped it: hence
	// the 0.
	requests, accepts := float64(max(b.window.sum.a, 0)), float64(b.window.sum.b)
	return max(0, (requests-b.k*accepts)/(requests+1))
}

func (b *clientThrottle) Begin(now time.Time) Permit { return b.retries.Begin(now) }

func (b *clientThrottle) Admit(now time.Time, k Kind, because Evidence, held Permit) (Permit, bool) {
	p, ok := b.retries.Admit(now, k, because, held)
	if ok {
		b.count(now, 1, 0)
	}
	return p, ok
}

func (b *clientThrottle) End(now time.Time, p Permit, e Evidence) {
	b.retries.End(now, p, e)
	switch e {
	case Alive:
		b.count(now, 0, 1)
	case None, Unsent:
		b.count(now, -1, 0)
	}
}

// Level returns the level of Retries' budget, or 1 if it is not a Leveler.
func (b *clientThrottle) Level() float64 {
	if l, ok := b.retries.(Leveler); ok {
		return l.Level()
	}
	return 1
}
