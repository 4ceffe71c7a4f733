package events_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/bench/internal/events"
)

func TestHeap_Sorts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOf(rapid.Int64Range(0, 50)).Draw(t, "times")
		split := rapid.IntRange(0, len(times)).Draw(t, "split")
		var h events.Heap[int]
		for i, at := range times[:split] {
			h = append(h, events.Event[int]{At: at, Order: uint64(i), What: i})
		}
		h.Init()
		for i, at := range times[split:] {
			h.Push(events.Event[int]{At: at, Order: uint64(split + i), What: split + i})
		}
		var got []events.Event[int]
		for len(h) > 0 {
			got = append(got, h.Pop())
		}
		require.Len(t, got, len(times))
		require.True(t, slices.IsSortedFunc(got, func(a, b events.Event[int]) int {
			return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Order, b.Order))
		}))
		for _, e := range got {
			require.EqualValues(t, e.Order, e.What)
			require.Equal(t, times[e.What], e.At)
		}
	})
}

func TestSlots_ReusedAndDoNotMove(t *testing.T) {
	var s events.Slots[int]
	var values []*int
	for i := range 1000 {
		slot, v := s.Take()
		require.EqualValues(t, i, slot)
		*v = i
		values = append(values, v)
	}
	for i, v := range values {
		require.Same(t, v, s.At(uint32(i)))
		require.Equal(t, i, *v)
	}
	s.Release(3)
	s.Release(999)
	for _, want := range []int{999, 3} {
		slot, v := s.Take()
		require.EqualValues(t, want, slot)
		require.Equal(t, want, *v, "as it was left")
	}
	require.EqualValues(t, 1000, s.Used)
}
