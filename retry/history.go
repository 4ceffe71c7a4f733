package retry

// history remembers the first failure of a call and the latest. The first costs no allocation: most calls that fail
// once do not fail twice.
type history struct {
	first        Failure
	rest         []Failure
	answerHedged bool
}

func (h *history) add(attempt int, class Class, err error) {
	e := Failure{attempt, class, err}
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

// failures are the first and the latest, in order.
func (h *history) failures() []Failure {
	if h.first.Attempt == 0 {
		return nil
	}
	return append([]Failure{h.first}, h.rest...)
}
