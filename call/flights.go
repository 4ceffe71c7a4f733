package call

import (
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
)

// flight is an attempt under way.
type flight struct {
	attempt int // its number, from 1
	kind    budget.Kind
	unknown bool // the permit is of Rules.Unknown, not of Rules.Budget
	permit  budget.Permit
	sent    time.Duration // since Call.start, or untimed
}

// untimed is flight.sent of a first attempt whose driver did not read the clock.
const untimed = -1 << 63

// flights holds the attempts under way. Nearly all calls have at most two at a time, which cost no
// allocation.
type flights struct {
	inline   [2]flight
	rest     []flight // those that do not fit into inline
	underWay int      // how many of both are in use
}

// add returns the place for one more attempt, which the caller fills in.
func (fs *flights) add() *flight {
	fs.underWay++
	if fs.underWay > len(fs.inline) {
		fs.rest = append(fs.rest, flight{})
	}
	return fs.nth(fs.underWay - 1)
}

// remove removes an attempt and returns it. It reports false if that attempt is not under way.
func (fs *flights) remove(attempt int) (flight, bool) {
	for i := range fs.underWay {
		f := fs.nth(i)
		if f.attempt != attempt {
			continue
		}
		found := *f
		if fs.underWay--; i != fs.underWay {
			*f = *fs.nth(fs.underWay)
		}
		if len(fs.rest) > 0 {
			fs.rest = fs.rest[:len(fs.rest)-1]
		}
		return found, true
	}
	return flight{}, false
}

// nth returns attempt i of those under way, which are in no particular order.
func (fs *flights) nth(i int) *flight {
	if i < len(fs.inline) {
		return &fs.inline[i]
	}
	return &fs.rest[i-len(fs.inline)]
}
