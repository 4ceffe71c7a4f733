package dest

// Remembered returns how many keys the table remembers as forgotten.
func (t *Table[K, V]) Remembered() int { return len(t.memory.keys) }

// Forgotten reports whether the entry is in no table any more.
func (e *Entry[K, V]) Forgotten() bool { return e.use.Load() == forgotten }
