package dest_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/internal/dest"
)

// value is a destination's state: what is left in it, 1 for a new one.
type value struct{ left int }

type (
	table = dest.Table[string, *value]
	entry = dest.Entry[string, *value]
)

func newTable(limit int) *table {
	return dest.New[string](limit, func(v *value) bool { return v.left < 1 })
}

// visit uses a key as a call does, and returns its entry. The entry of a key that came back
// drained has nothing left.
func visit(t *table, key string) *entry {
	return t.GetOrAdd(key, func(_ *entry, drained bool) *value {
		if drained {
			return &value{}
		}
		return &value{1}
	})
}

func TestTable_Get(t *testing.T) {
	tab := newTable(3)
	_, ok := tab.Get("a")
	require.False(t, ok, "of an empty table")
	a := visit(tab, "a")
	found, ok := tab.Get("a")
	require.True(t, ok)
	require.Same(t, a, found)
	require.Same(t, a, visit(tab, "a"))
	_, ok = tab.Get("b")
	require.False(t, ok)
}

func TestTable_ForgetsLeastUsed(t *testing.T) {
	t.Run("one use is no second chance", func(t *testing.T) {
		tab := newTable(4)
		busy := visit(tab, "busy")
		for i := range 1000 {
			require.Same(t, busy, visit(tab, "busy"), i)
			visit(tab, strconv.Itoa(i)).Touch() // a call marks what it has just added
		}
	})
	t.Run("touching is a use", func(t *testing.T) {
		tab := newTable(10)
		busy, quiet := visit(tab, "busy"), visit(tab, "quiet")
		for i := range 100 {
			visit(tab, strconv.Itoa(i))
			require.True(t, busy.Touch())
		}
		require.False(t, quiet.Touch())
		require.NotSame(t, quiet, visit(tab, "quiet"))
		require.False(t, quiet.Touch(), "the key has another entry now")
	})
	t.Run("all in use", func(t *testing.T) {
		tab := newTable(3)
		for i := range 100 {
			e := visit(tab, strconv.Itoa(i))
			e.Touch()
			e.Touch()
			require.LessOrEqual(t, len(tab.All()), 3)
		}
	})
	t.Run("a table of one", func(t *testing.T) {
		tab := newTable(1)
		for i := range 100 {
			require.Equal(t, strconv.Itoa(i), visit(tab, strconv.Itoa(i)).Key)
			require.Len(t, tab.All(), 1)
		}
	})
}

func TestTable_RemembersForgottenBadState(t *testing.T) {
	tab := newTable(8)
	visit(tab, "bad").Value.left = 0
	visit(tab, "good")
	for i := range 1000 {
		require.Equal(t, 1, visit(tab, strconv.Itoa(i)).Value.left, "strangers start with all")
	}
	require.Equal(t, 0, visit(tab, "bad").Value.left)
	require.Equal(t, 1, visit(tab, "good").Value.left)

	visit(tab, "bad").Value.left = 1 // it has recovered
	for i := range 1000 {
		visit(tab, strconv.Itoa(i))
	}
	require.Equal(t, 1, visit(tab, "bad").Value.left)
}

// An outage of n destinations, each of which is called in its turn: what comes back has nothing
// left.
func TestTable_OutageOfManyDestinations(t *testing.T) {
	for _, n := range []int{64, 65, 70, 128, 600, 5000} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			tab := newTable(64)
			rich := 0
			for round := range 4 {
				for i := range n {
					e := visit(tab, strconv.Itoa(i))
					if round > 0 {
						rich += e.Value.left
					}
					e.Value.left = 0
				}
			}
			require.LessOrEqual(t, float64(rich)/float64(3*n), 0.02)

			// When it is over, all start with all again, soon.
			for range 3 {
				for i := range n {
					visit(tab, strconv.Itoa(i)).Value.left = 1
				}
			}
			poor := 0
			for i := range n {
				poor += 1 - visit(tab, strconv.Itoa(i)).Value.left
			}
			require.Zero(t, poor)
		})
	}
}

// A few that fail among many that are seen once must not take the retries of all the others.
func TestTable_FewFailuresAmongManyNew(t *testing.T) {
	tab := newTable(64)
	drained := 0
	for i := range 20_000 {
		e := visit(tab, strconv.Itoa(i))
		drained += 1 - e.Value.left
		if i%10 == 0 {
			e.Value.left = 0
		}
	}
	require.LessOrEqual(t, drained, 200, "of 20,000, one in ten of which fails")
}

func TestTable_Rejoin(t *testing.T) {
	tab := newTable(4)
	kept := visit(tab, "kept")
	require.Same(t, kept, tab.Rejoin(kept))
	for i := range 10 {
		visit(tab, strconv.Itoa(i))
	}
	_, ok := tab.Get("kept")
	require.False(t, ok)
	require.Same(t, kept, tab.Rejoin(kept), "nobody else has come for its key")
	found, ok := tab.Get("kept")
	require.True(t, ok)
	require.Same(t, kept, found)
	require.Len(t, tab.All(), 4)

	for i := range 10 {
		visit(tab, strconv.Itoa(i))
	}
	next := visit(tab, "kept")
	require.NotSame(t, kept, next)
	require.Same(t, next, tab.Rejoin(kept), "there is one entry for a key, not two")
}

func TestTable_GetOrFill(t *testing.T) {
	tab := dest.New[string, int](2, nil)
	add := func(key string, v int) (int, bool) {
		e, ok := tab.GetOrFill(key, func(string) int { return v })
		if !ok {
			return 0, false
		}
		return e.Value, true
	}
	for i, key := range []string{"a", "b", "a", "b"} {
		v, ok := add(key, i)
		require.True(t, ok)
		require.Equal(t, i%2, v, "made once")
	}
	_, ok := add("c", 9)
	require.False(t, ok, "it is full, and forgets nothing")
	_, ok = dest.New[string, int](0, nil).GetOrFill("a", func(string) int { return 1 })
	require.False(t, ok)
}

func TestTable_Copy(t *testing.T) {
	for _, limit := range []int{1, 3, 4, 5, 100} {
		tab := newTable(4)
		visit(tab, "gone").Value.left = 0
		for i := range 6 {
			visit(tab, strconv.Itoa(i)).Value.left = 0
		}
		next := tab.Copy(limit, func(v *value) bool { return v.left < 1 },
			func(_ *entry, from *value) *value { return &value{from.left} })
		held := next.All()
		require.Len(t, held, min(4, limit))
		require.Equal(t, "5", held[len(held)-1].Key, "the last to be forgotten")
		for _, key := range []string{"gone", "0", "2", "5"} {
			require.Zero(t, visit(next, key).Value.left, "limit %d: %s is as it was, or remembered", limit, key)
		}
		require.Len(t, tab.All(), 4, "the original stays")
	}
}

// An entry copied from another table is not new: one use gives it a second chance.
func TestTable_CopyKeepsUsedEntries(t *testing.T) {
	tab := newTable(4)
	for _, key := range []string{"busy", "a", "b", "c"} {
		visit(tab, key)
	}
	next := tab.Copy(4, nil, func(_ *entry, from *value) *value { return from })
	busy, ok := next.Get("busy")
	require.True(t, ok)
	visit(next, "stranger")
	require.False(t, busy.Forgotten())
}

func TestTable_MemoryIsBounded(t *testing.T) {
	tab := dest.New[string](16, func(v *value) bool { return v.left < 1 })
	create := func(*entry, bool) *value { return &value{} }
	visits := func() {
		for i := range 1000 {
			tab.GetOrAdd(strconv.Itoa(i), create)
		}
	}
	visits()
	before := testing.AllocsPerRun(3, visits)
	require.LessOrEqual(t, before, 4000.0, "an entry, a node and a value for each that is new, and nothing that grows")
	require.Equal(t, 8*16, tab.Remembered())
	require.Equal(t, 16, tab.Linked())
}

func TestTable_PanicInCreateChangesNothing(t *testing.T) {
	tab := newTable(1)
	a := visit(tab, "a")
	require.Panics(t, func() { tab.GetOrAdd("b", func(*entry, bool) *value { panic("spec") }) })
	require.Same(t, a, visit(tab, "a"))
	require.Equal(t, "c", visit(tab, "c").Key)
}

// Whatever is done by how many, a key has one entry at a time, and the table is no larger than its
// limit.
func TestTable_ConcurrentUse(t *testing.T) {
	tab := newTable(32)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 3000 {
				key := strconv.Itoa((i*7 + g) % (20 + 10*g))
				e := visit(tab, key)
				if e.Key != key {
					t.Errorf("asked for %s, got %s", key, e.Key)
				}
				if i%3 == 0 {
					e = tab.Rejoin(e)
				}
				e.Touch()
			}
		})
	}
	wg.Wait()
	held := map[string]bool{}
	for _, e := range tab.All() {
		require.False(t, held[e.Key], e.Key)
		held[e.Key] = true
		found, ok := tab.Get(e.Key)
		require.True(t, ok)
		require.Same(t, e, found)
	}
	require.Len(t, held, 32)
}

// The table against a map and a list.
func TestTable_Model(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 8).Draw(t, "limit")
		tab := newTable(limit)
		var live []*entry
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			key := fmt.Sprint(rapid.IntRange(0, 12).Draw(t, "key"))
			e := visit(tab, key)
			if rapid.Bool().Draw(t, "rejoin") && len(live) > 0 {
				e = tab.Rejoin(live[rapid.IntRange(0, len(live)-1).Draw(t, "which")])
			}
			live = append(live, e)
			held := tab.All()
			if tab.Linked() != len(held) {
				t.Fatalf("%d can be found, %d are there", tab.Linked(), len(held))
			}
			if len(held) > limit {
				t.Fatalf("%d entries, limit %d", len(held), limit)
			}
			seen := map[string]*entry{}
			for _, e := range held {
				if seen[e.Key] != nil {
					t.Fatalf("%s twice", e.Key)
				}
				seen[e.Key] = e
			}
			if seen[e.Key] != e {
				t.Fatalf("what was used last is not there")
			}
			for _, e := range live {
				if e.Forgotten() != (seen[e.Key] != e) {
					t.Fatalf("%s: forgotten %v", e.Key, e.Forgotten())
				}
			}
		}
	})
}
