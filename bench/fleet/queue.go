package fleet

import (
	"math"
	"math/bits"
	"slices"

	"github.com/evenkeel-go/evenkeel/bench/internal/events"
)

// queue hands out events in order. It is a calendar queue (R. Brown, CACM 31(10), 1988): time is
// cut into buckets of equal width, an event is thrown into its bucket as it comes, and a bucket is
// sorted when it is due. So an event costs nearly the same whether a thousand are pending or a
// million, where a heap of a million mispredicts its branches and misses the cache at each level.
// What is scheduled into the bucket that is due goes to a small heap beside it; what lies beyond
// the last bucket waits in far.
//
// The width and the number of buckets follow the events: both are set anew when a review finds
// them off. Neither changes the order.
type queue struct {
	due     []event             // the bucket that is due, in order
	head    int                 // the next event of due
	late    events.Heap[target] // events that came after due was sorted, before bucket next
	buckets [][]event           // a power of two of them; bucket i holds those with at>>shift ≡ i
	far     []event             // events at or after bucket limit
	shift   uint                // a bucket is 1<<shift ns wide
	next    int64               // the first bucket after the one that is due
	limit   int64               // the first bucket that is not in buckets
	review  int64               // the bucket at which to look through far, and to see whether the widths still fit

	pushed  uint64 // events so far, for their order
	waiting int    // events in buckets
	popped  uint64 // since the last review
	since   int64  // the bucket of the last review
	sorter  sorter
	sample  []int64
}

// A bucket fits into the first-level cache even when a million events are pending and it holds a
// thousand of them.
const (
	perBucket  = 16   // events that a bucket should hold when it is due, more if maxBuckets asks for it
	few        = 48   // events that are as well off in the heap
	minBuckets = 64   // so that reviews are rare
	maxBuckets = 4096 // so that the ends of all, where events are added, stay in the second-level cache
)

func (q *queue) push(e event) {
	switch b := e.At >> q.shift; {
	case b < q.next:
		q.late.Push(e)
	case b < q.limit:
		bucket := &q.buckets[b&int64(len(q.buckets)-1)]
		*bucket = append(*bucket, e)
		q.waiting++
	default:
		q.far = append(q.far, e)
	}
}

// pop removes and returns the earliest event. ok is false if there is none.
func (q *queue) pop() (e event, ok bool) {
	for q.head == len(q.due) && len(q.late) == 0 {
		if !q.advance() {
			return event{}, false
		}
	}
	q.popped++
	if q.head < len(q.due) && (len(q.late) == 0 || q.due[q.head].Before(&q.late[0])) {
		q.head++
		return q.due[q.head-1], true
	}
	return q.late.Pop(), true
}

// advance goes on to the next bucket. It is false if there is nothing left.
func (q *queue) advance() bool {
	q.due, q.head = q.due[:0], 0
	if q.waiting == 0 {
		if len(q.far) == 0 {
			return false
		}
		q.spread()
		return true
	}
	if q.next >= q.review {
		q.adapt()
	}
	i := q.next & int64(len(q.buckets)-1)
	q.next++
	if n := len(q.buckets[i]); n > 0 {
		q.waiting -= n
		q.due, q.buckets[i] = q.buckets[i], q.due
		q.sorter.sort(q.due)
	}
	return true
}

// adapt sees whether the buckets still fit the events, and takes in what is no longer far.
func (q *queue) adapt() {
	elapsed := (q.next - q.since) << q.shift
	pending := q.waiting + len(q.far)
	shift := q.shift
	if q.popped > 0 {
		shift = widthFor(float64(elapsed)/float64(q.popped), pending)
	}
	n := bucketsFor(pending)
	off := func(a, b int) bool { return a > 2*b || b > 4*a }
	if off(1<<shift, 1<<q.shift) || off(n, len(q.buckets)) {
		q.resize(shift, n, q.next<<q.shift)
		return
	}
	q.extend()
}

// spread starts anew from what is far, when there is nothing else. A few events need no buckets.
func (q *queue) spread() {
	if len(q.far) <= few {
		last := int64(0)
		for i := range q.far {
			last = max(last, q.far[i].At)
		}
		q.late, q.far = append(q.late, q.far...), q.far[:0]
		q.late.Init()
		q.next = last>>q.shift + 1
		q.limit, q.review = q.next, q.next
		return
	}
	first, gap := q.density()
	q.resize(widthFor(gap, len(q.far)), bucketsFor(len(q.far)), first)
}

// density returns the time of the first of the far events, and the ns between one and the next
// up to their median: events much later than the others do not count.
func (q *queue) density() (first int64, gap float64) {
	first = math.MaxInt64
	q.sample = q.sample[:0]
	step := 1 + len(q.far)/256
	for i := range q.far {
		first = min(first, q.far[i].At)
		if i%step == 0 {
			q.sample = append(q.sample, q.far[i].At)
		}
	}
	slices.Sort(q.sample)
	median := q.sample[len(q.sample)/2]
	return first, float64(median-first) / float64(len(q.far)) * 2
}

// resize sets the buckets so that the first begins at the time from or just before.
func (q *queue) resize(shift uint, n int, from int64) {
	for i, b := range q.buckets {
		q.far = append(q.far, b...)
		q.buckets[i] = b[:0]
	}
	q.waiting = 0
	if n > len(q.buckets) {
		q.buckets = append(q.buckets, make([][]event, n-len(q.buckets))...)
	}
	clear(q.buckets[n:])
	q.buckets = q.buckets[:n]
	q.shift = shift
	q.next = from >> shift
	q.extend()
}

// extend moves the limit as far ahead as the buckets reach, and takes in what is before it.
func (q *queue) extend() {
	q.limit = q.next + int64(len(q.buckets))
	q.review = q.next + int64(len(q.buckets)/2)
	q.since, q.popped = q.next, 0
	kept := q.far[:0]
	for _, e := range q.far {
		if e.At>>q.shift < q.limit {
			q.push(e)
		} else {
			kept = append(kept, e)
		}
	}
	q.far = kept
}

// widthFor returns the width, as a power of two, of a bucket when events come so many ns apart.
// All buckets together reach twice as far ahead as an event is pending on average (by Little's
// law, pending * gap).
func widthFor(gap float64, pending int) uint {
	hold := max(perBucket, 2*float64(pending)/maxBuckets)
	width := int64(max(1, min(gap*hold, 1<<40)))
	return uint(bits.Len64(uint64(width)) - 1)
}

func bucketsFor(pending int) int {
	want := max(minBuckets, min(2*pending/perBucket, maxBuckets))
	return 1 << bits.Len(uint(want-1))
}
