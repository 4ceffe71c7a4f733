package drive

import "github.com/evenkeel-go/evenkeel/call"

// maxHistory bounds the attempts that an Error remembers: the first, and the latest.
const maxHistory = 8

// history remembers the first failure of a call and the latest. The first costs no allocation:
// most calls that fail once do not fail twice.
type history struct {
	first call.Failure
	rest  []call.Failure
}

// note remembers a failure, and tells the work of it.
func note(h *history, work any, f call.Failure) {
	h.add(f)
	if w, ok := work.(Follower); ok {
		w.Failed(f)
	}
}

func (h *history) add(e call.Failure) {
	switch {
	case h.first.Attempt == 0:
		h.first = e
	case len(h.rest) == maxHistory-1:
		copy(h.rest, h.rest[1:])
		h.rest[maxHistory-2] = e
	default:
		h.rest = append(h.rest, e)
	}
}

// failures returns the first and the latest, in order.
func (h *history) failures() []call.Failure {
	if h.first.Attempt == 0 {
		return nil
	}
	return append([]call.Failure{h.first}, h.rest...)
}
