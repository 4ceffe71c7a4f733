package dest

import "maps"

const (
	// remembered bounds the forgotten keys that a table remembers, in multiples of its limit, or
	// of largest if that is less. A key takes some 30 bytes.
	remembered = 8
	largest    = 1 << 14
	// decay is how many forgotten entries the estimate of memory.lost goes back.
	decay = 64
	// tolerated is the share of forgotten entries whose bad state may be lost for good. A fifth
	// bounds what forgetting can add to an outage: of five destinations that come back one starts
	// as new, at twice more than its first attempt.
	tolerated = 0.2
)

// memory holds the keys that a table forgot while their values were in a bad state: the latest of
// them, and once those are too many, that there were. The zero memory is empty.
type memory struct {
	keys   map[uint64]uint64 // hashes of keys, with the place in order of each
	order  []uint64          // the same, a ring, with those that were recalled meanwhile
	placed uint64            // how many were put into order so far
	lost   float64           // of the latest entries that were forgotten, the share that pushed another key out of keys
}

// note remembers a key that is forgotten, if it was in a bad state.
func (m *memory) note(hash uint64, spent bool, limit int) {
	pushed := 0.0
	if spent && m.push(hash, limit) {
		pushed = 1
	}
	m.lost += (pushed - m.lost) / decay
}

// push adds a key, and reports whether the oldest had to go for it.
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

// recall forgets that a key was forgotten: it is back.
func (m *memory) recall(hash uint64) { delete(m.keys, hash) }

func (m *memory) clone() memory {
	c := *m
	c.keys = maps.Clone(m.keys)
	c.order = append([]uint64(nil), m.order...)
	return c
}

// adopt puts what another table remembered before what this one does; limit is this one's.
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
