package call

import (
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
)

// flight is an attempt under way.
type flight struct {
	attempt int
	kind    budget.Kind
	unknown bool // its permit is of Rules.Unknown
	permit  budget.Permit
	sent    time.Duration
}

// untimed is the time of an attempt whose send was not timed.
const untimed = -1 << 63

// flights are the attempts under way. Nearly all calls have no more than two at a time: more cost
// an allocation.
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
	return fs.at(fs.n - 1)
}

// remove removes an attempt and returns it. It reports false if that attempt is not under way.
func (fs *flights) remove(attempt int) (flight, bool) {
	for i := range fs.n {
		f := fs.at(i)
		if f.attempt != attempt {
			continue
		}
		found := *f
		if fs.n--; i != fs.n {
			*f = *fs.at(fs.n)
		}
		if len(fs.rest) > 0 {
			fs.rest = fs.rest[:len(fs.rest)-1]
		}
		return found, true
	}
	return flight{}, false
}

func (fs *flights) at(i int) *flight {
	if i < len(fs.inline) {
		return &fs.inline[i]
	}
	return &fs.rest[i-len(fs.inline)]
}
