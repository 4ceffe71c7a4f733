package events

// Slots hands out numbered values of T and takes them back. A value does not move, so a pointer to
// it stays good.
type Slots[T any] struct {
	Used  uint32   // slots that were ever handed out: their numbers are below
	Free  []uint32 // those of them that were taken back
	pages []*[pageSize]T
}

const (
	pageBits = 8
	pageSize = 1 << pageBits
)

// Take returns a slot with its value as it was left, zero if it is new.
func (s *Slots[T]) Take() (slot uint32, v *T) {
	if n := len(s.Free); n > 0 {
		slot = s.Free[n-1]
		s.Free = s.Free[:n-1]
		return slot, s.At(slot)
	}
	if s.Used&(pageSize-1) == 0 {
		s.pages = append(s.pages, new([pageSize]T))
	}
	s.Used++
	return s.Used - 1, s.At(s.Used - 1)
}

// At returns the value of a slot.
func (s *Slots[T]) At(slot uint32) *T { return &s.pages[slot>>pageBits][slot&(pageSize-1)] }

// Release lets Take hand a slot out again.
func (s *Slots[T]) Release(slot uint32) { s.Free = append(s.Free, slot) }
