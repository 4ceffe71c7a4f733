package dest

import (
	"maps"
	"slices"
)

const (
	// remembered bounds the forgotten keys that a table remembers, in multiples of its limit, or
	// of largest if that is less. A key takes some 30 bytes.
	remembered = 8
	largest    = 1 << 14
	// decay is the number of forgotten entries that memory.lost averages over.
	decay = 64
	// tolerated is the share of forgotten keys whose bad state may be lost. At a fifth, one in
	// five destinations that come back during an outage starts with a full budget, which pays for
	// two retries.
	tolerated = 0.2
)

// memory holds the keys that a table forgot while their values were in a bad state: the latest of
// them, and once those are too many, that there were. The zero memory is empty.
type memory struct {
	keys   map[uint64]uint64 // from hash of key to its number in order
	order  []uint64          // hashes, a ring; those that are not in keys were recalled
	placed uint64            // how many were put into order so far; the number of the next
	lost   float64           // share of the latest entries forgotten that pushed another key out of keys
}

// note remembers a key that is forgotten, if it was in a bad state.
func (m *memory) note(hash uint64, spent bool, limit int) {
	pushed := 0.0
	if spent && m.push(hash, limit) {
		pushed = 1
	}
	m.lost += (pushed - m.lost) / decay
}

// push adds a key, and reports whether the oldest was lost for it.
func (m *memory) push(hash uint64, limit int) (lost bool) {
	if m.keys == nil {
		m.keys = map[uint64]uint64{}
	}
	most := uint64(remembered * min(limit, largest))
	at := m.placed % most
	if uint64(len(m.order)) <= at {
		m.order = append(m.order, hash)
	} else {
		old := m.order[at]
		if m.keys[old] == m.placed-most {
			_, lost = m.keys[old]
			delete(m.keys, old)
		}
		m.order[at] = hash
	}
	m.keys[hash] = m.placed
	m.placed++
	return lost
}

// drained reports whether a key that is added was forgotten in a bad state, as far as is known.
func (m *memory) drained(hash uint64) bool {
	_, ok := m.keys[hash]
	return ok || m.lost > tolerated
}

// recall removes a key, which is in the table again.
func (m *memory) recall(hash uint64) { delete(m.keys, hash) }

func (m *memory) clone() memory {
	c := *m
	c.keys = maps.Clone(m.keys)
	c.order = slices.Clone(m.order)
	return c
}

// adopt adds what another table remembered, as older than what m does. limit is that of m's
// table.
func (m *memory) adopt(old memory, limit int) {
	mine := *m
	*m = memory{lost: old.lost}
	for i := range old.order {
		hash := old.order[(old.placed+uint64(i))%uint64(len(old.order))]
		if _, ok := old.keys[hash]; ok {
			m.push(hash, limit)
		}
	}
	for _, hash := range mine.order {
		m.push(hash, limit)
	}
}
