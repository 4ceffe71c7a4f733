package fleet

// arena hands out slots for values of T and takes them back. A slot does not move, so a pointer
// into it stays good.
type arena[T any] struct {
	pages []*[pageSize]T
	free  []uint32
	used  uint32 // slots that were ever handed out
}

const (
	pageBits = 8
	pageSize = 1 << pageBits
)

// take returns a slot as it was left, zero if it is new.
func (a *arena[T]) take() uint32 {
	if n := len(a.free); n > 0 {
		slot := a.free[n-1]
		a.free = a.free[:n-1]
		return slot
	}
	if a.used&(pageSize-1) == 0 {
		a.pages = append(a.pages, new([pageSize]T))
	}
	a.used++
	return a.used - 1
}

func (a *arena[T]) at(slot uint32) *T { return &a.pages[slot>>pageBits][slot&(pageSize-1)] }

func (a *arena[T]) release(slot uint32) { a.free = append(a.free, slot) }
