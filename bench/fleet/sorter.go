package fleet

import (
	"math/bits"
	"slices"
)

// sorter puts the events of a bucket in order: it deals them into slots by time, about as many as
// there are events, and then moves each the few places that it is still off. Comparing costs a
// mispredicted branch, dealing does not.
type sorter struct {
	scratch []event
	starts  []uint32
}

const (
	dealFrom = 24 // so few are sorted at once
	crowd    = 32 // with so many in one slot, dealing was of no use
)

func (s *sorter) sort(events []event) {
	if len(events) >= dealFrom && !s.deal(events) {
		slices.SortFunc(events, func(a, b event) int {
			if a.Before(&b) {
				return -1
			}
			return 1 // no two are equal
		})
		return
	}
	for i := 1; i < len(events); i++ {
		e := events[i]
		j := i
		for ; j > 0 && e.Before(&events[j-1]); j-- {
			events[j] = events[j-1]
		}
		events[j] = e
	}
}

// deal puts events nearly in order, or reports that it cannot.
func (s *sorter) deal(events []event) bool {
	first, last := events[0].At, events[0].At
	for i := range events {
		first, last = min(first, events[i].At), max(last, events[i].At)
	}
	slots := uint64(1) << bits.Len(uint(len(events)-1))
	shift := max(bits.Len64(uint64(last-first))-bits.Len64(slots-1), 0)
	if cap(s.starts) < int(slots)+1 {
		s.starts = make([]uint32, slots+1)
	}
	starts := s.starts[:slots+1]
	clear(starts)
	for i := range events {
		starts[uint64(events[i].At-first)>>shift+1]++
	}
	for i := 1; i < len(starts); i++ {
		if starts[i] > crowd {
			return false
		}
		starts[i] += starts[i-1]
	}
	s.scratch = append(s.scratch[:0], events...)
	for i := range s.scratch {
		slot := uint64(s.scratch[i].At-first) >> shift
		events[starts[slot]] = s.scratch[i]
		starts[slot]++
	}
	return true
}
