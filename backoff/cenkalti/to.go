package cenkalti

import (
	"fmt"
	"math/rand/v2"
	"time"

	cenkalti "github.com/cenkalti/backoff/v4"

	"github.com/evenkeel-go/evenkeel/backoff"
)

// Option configures the BackOff that To makes.
type Option func(*adapter)

// MaxAttempts makes the BackOff return Stop once n attempts are made: n-1 delays, then Stop.
// Without it there is no end, as with a BackOff of the library's own. It counts attempts, where
// backoff.WithMaxRetries counts the ones after the first: MaxAttempts(3) is WithMaxRetries(b, 2).
// It panics if n is below 1.
func MaxAttempts(n int) Option {
	if n < 1 {
		panic(fmt.Sprintf("cenkalti.MaxAttempts: n: must be at least 1, not %d", n))
	}
	return func(a *adapter) { a.most = n - 1 }
}

// WithRand replaces the source of jitter, which is math/rand/v2's. It must return numbers in [0,
// 1). It panics if random is nil.
func WithRand(random func() float64) Option {
	if random == nil {
		panic("cenkalti.WithRand: random: must be a function, not nil")
	}
	return func(a *adapter) { a.random = random }
}

// To returns a BackOff that waits as s does. Like every BackOff it belongs to one call at a time
// and is not safe for concurrent use; Reset, with which backoff.Retry begins, makes it ready for
// the next call. It panics if s is nil or invalid.
func To(s backoff.Strategy, opts ...Option) cenkalti.BackOff {
	if err := backoff.Validate(s); err != nil {
		panic(fmt.Sprintf("cenkalti.To: s: %v", err))
	}
	a := &adapter{strategy: s, random: rand.Float64, most: -1}
	for _, o := range opts {
		o(a)
	}
	a.Reset()
	return a
}

// adapter counts one call's waits.
type adapter struct {
	strategy backoff.Strategy
	random   func() float64
	most     int // waits before Stop, negative for no end

	own  backoff.Strategy // this call's instance of the strategy
	wait int              // the number of the last wait
	prev time.Duration    // how long it was
}

// NextBackOff implements cenkalti's interface.
func (a *adapter) NextBackOff() time.Duration {
	if a.wait == a.most {
		return cenkalti.Stop
	}
	a.wait++
	d := a.own.Delay(a.wait, a.prev, a.random())
	if d < 0 {
		return cenkalti.Stop
	}
	a.prev = d
	return d
}

// Reset implements cenkalti's interface.
func (a *adapter) Reset() {
	a.wait, a.prev, a.own = 0, 0, a.strategy
	if stateful, ok := a.strategy.(backoff.Stateful); ok {
		a.own = stateful.NewCall()
	}
}
