package dest

// Remembered returns how many keys the table remembers as forgotten.
func (t *Table[K, V]) Remembered() int { return len(t.memory.keys) }

// Linked returns how many entries can be found.
func (t *Table[K, V]) Linked() (n int) {
	for i := range *t.buckets.Load() {
		for at := (*t.buckets.Load())[i].first.Load(); at != nil; at = at.next.Load() {
			n++
		}
	}
	return n
}

// Forgotten reports whether the entry is in no table any more.
func (e *Entry[K, V]) Forgotten() bool { return e.use.Load() == forgotten }
