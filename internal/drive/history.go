package drive

import "github.com/evenkeel-go/evenkeel/call"

// maxHistory is how many failures an Error holds: the first, and the latest.
const maxHistory = 8

// History holds the first failure of a call and the latest. The first costs no allocation: most
// calls that fail once do not fail twice.
type History struct {
	first call.Failure // Attempt is 0 if there is none
	rest  []call.Failure
}

// note adds a failure to h, and reports it to the work if that is a Follower.
func note(h *History, work any, f call.Failure) {
	h.Add(f)
	if w, ok := work.(Follower); ok {
		w.Failed(f)
	}
}

// Add adds a failure.
func (h *History) Add(f call.Failure) {
	switch {
	case h.first.Attempt == 0:
		h.first = f
	case len(h.rest) == maxHistory-1:
		copy(h.rest, h.rest[1:])
		h.rest[maxHistory-2] = f
	default:
		h.rest = append(h.rest, f)
	}
}

// Failures returns the first failure and the latest, in order.
func (h *History) Failures() []call.Failure {
	if h.first.Attempt == 0 {
		return nil
	}
	return append([]call.Failure{h.first}, h.rest...)
}
