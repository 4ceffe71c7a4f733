package serve

import (
	"sync/atomic"

	"github.com/evenkeel-go/evenkeel/call"
)

// Limiter refuses requests while too many are in flight. Make one with NewLimiter.
type Limiter struct {
	limit    int64
	inFlight atomic.Int64
}

// NewLimiter returns a Limiter of at most limit requests in flight. If limit is below 1, it
// panics and names option.
func NewLimiter(option string, limit int) *Limiter {
	if limit < 1 {
		panic(option + ": must be at least 1")
	}
	return &Limiter{limit: int64(limit)}
}

// Enter reports whether a request may be handled; if so, Leave must be called when it is done.
func (l *Limiter) Enter(attempt int, c call.Criticality) bool {
	room := Room(l.limit, attempt, c)
	for { // a request that is refused must not count, not even for a moment
		n := l.inFlight.Load()
		if n >= room {
			return false
		}
		if l.inFlight.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Leave ends a request that Enter admitted.
func (l *Limiter) Leave() { l.inFlight.Add(-1) }

// shares holds the percentages of the limit that first attempts may use, from call.Sheddable up.
var shares = [...]int64{60, 70, 80, 100}

// resendShare divides the shares for resends: they get less than the first attempt of any call.
const resendShare = 2

// Room returns how many requests, this one included, may be in flight for it to be handled: at
// least 1.
func Room(limit int64, attempt int, c call.Criticality) int64 {
	c = min(max(c, call.Sheddable), call.CriticalPlus)
	share := shares[c-call.Sheddable]
	room := limit/100*share + limit%100*share/100 // limit*share may overflow
	if attempt > 1 {
		room /= resendShare
	}
	return max(room, 1)
}

// Incoming returns the criticality that the client of request r has named, and whether it named
// one; "" names none. A client that trusts does not report, or any if trusts is nil, may only
// lower its call's criticality.
func Incoming[R any](name string, trusts func(R) bool, r R) (c call.Criticality, said bool) {
	if name == "" {
		return call.Critical, false
	}
	for c := call.Sheddable; c <= call.CriticalPlus; c++ {
		if c.String() != name {
			continue
		}
		if c > call.Critical && (trusts == nil || !trusts(r)) {
			c = call.Critical
		}
		return c, true
	}
	return call.Critical, false
}
