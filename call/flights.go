package call

import (
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
)

// flight is an attempt under way.
type flight struct {
	attempt int
	kind    budget.Kind
	unknown bool // the permit is of Rules.Unknown, not of Rules.Budget
	permit  budget.Permit
	sent    time.Duration
}

// untimed is flight.sent of a first attempt whose driver did not read the clock.
const untimed = -1 << 63

// flights holds the attempts under way. Two at a time, as many as nearly all calls have, cost no
// allocation.
type flights struct {
	inline [2]flight
	rest   []flight
	n      int
}

// add returns the place of one more attempt.
func (fs *flights) add() *flight {
	fs.n++
	if fs.n > len(fs.inline) {
		fs.rest = append(fs.rest, flight{})
	}
	return fs.nth(fs.n - 1)
}

// remove removes an attempt and returns it. It reports false if that attempt is not under way.
func (fs *flights) remove(attempt int) (flight, bool) {
	for i := range fs.n {
		f := fs.nth(i)
		if f.attempt != attempt {
			continue
		}
		found := *f
		if fs.n--; i != fs.n {
			*f = *fs.nth(fs.n)
		}
		if len(fs.rest) > 0 {
			fs.rest = fs.rest[:len(fs.rest)-1]
		}
		return found, true
	}
	return flight{}, false
}

// nth returns the attempt at place i, in no order.
func (fs *flights) nth(i int) *flight {
	if i < len(fs.inline) {
		return &fs.inline[i]
	}
	return &fs.rest[i-len(fs.inline)]
}
