package fleet

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/bench/internal/events"
)

// Whatever is pushed, at whatever times and in whatever mixture with pops, comes out in order, the
// same events, and at equal times in the order of scheduling.
func TestQueue_PopsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			q       queue
			pending []event
			now     int64
			n       uint64
		)
		horizon := int64(1) << rapid.IntRange(0, 45).Draw(t, "horizon")
		gap := rapid.OneOf(
			rapid.Just(int64(0)), rapid.Int64Range(0, 20), rapid.Int64Range(0, horizon), rapid.Int64Range(0, horizon/1000+1),
		)
		push := func(most int) {
			for range rapid.IntRange(0, most).Draw(t, "pushes") {
				n++
				e := event{At: now + gap.Draw(t, "gap"), Order: n << kindBits, What: target{slot: uint32(n)}}
				q.push(e)
				pending = append(pending, e)
			}
		}
		pop := func(most int) {
			for range min(rapid.IntRange(0, most).Draw(t, "pops"), len(pending)) {
				slices.SortFunc(pending, compareEvents)
				e, ok := q.pop()
				require.True(t, ok)
				require.Equal(t, pending[0], e)
				pending = pending[1:]
				now = e.At
			}
		}
		for range rapid.IntRange(1, 8).Draw(t, "rounds") {
			push(150)
			pop(150)
		}
		pop(len(pending))
		for range pending {
			pop(1)
		}
	})
}

// Many events, over many reviews and changes of width, against a sort.
func TestQueue_ManyEvents(t *testing.T) {
	r := newRand(1)
	var (
		q     queue
		n     uint64
		got   []event
		still = 60_000
	)
	push := func(at int64) {
		n++
		q.push(event{At: at, Order: n << kindBits})
	}
	for range 5_000 {
		push(int64(r.ExpFloat64() * 1e9))
	}
	for {
		e, ok := q.pop()
		if !ok {
			break
		}
		got = append(got, e)
		if still > 0 {
			still--
			scale := 1e9
			if still < 30_000 {
				scale = 1e5 // the density changes by four orders of magnitude
			}
			push(e.At + int64(r.ExpFloat64()*scale))
		}
	}
	require.Len(t, got, 65_000)
	require.True(t, slices.IsSortedFunc(got, compareEvents))
}

func TestQueue_EmptyAtFirst(t *testing.T) {
	var q queue
	_, ok := q.pop()
	require.False(t, ok)
}

func compareEvents(a, b event) int {
	switch {
	case a.Before(&b):
		return -1
	case b.Before(&a):
		return 1
	}
	return 0
}

// The queue beside the heap that it replaces: an event out and one in, with so many pending.
func BenchmarkQueue(b *testing.B) {
	for _, pending := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprintf("calendar/%d", pending), func(b *testing.B) {
			var q queue
			churn(b, pending, q.push, func() event { e, _ := q.pop(); return e })
		})
		b.Run(fmt.Sprintf("heap/%d", pending), func(b *testing.B) {
			var h events.Heap[target]
			churn(b, pending, h.Push, h.Pop)
		})
	}
}

func churn(b *testing.B, pending int, push func(event), pop func() event) {
	r := newRand(1)
	n := uint64(0)
	add := func(now int64) {
		n++
		push(event{At: now + int64(r.ExpFloat64()*1e9), Order: n << kindBits})
	}
	for range pending {
		add(0)
	}
	for range 2 * pending { // until the queue has settled
		add(pop().At)
	}
	for b.Loop() {
		add(pop().At)
	}
}
