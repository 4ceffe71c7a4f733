package timeout

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram counts latencies in buckets that get wider as they get longer, as in HdrHistogram: 8
// µs each up to half a millisecond, and above it 32 to each power of two, so at most 3 % wide. A
// count is one atomic addition and never blocks.
type histogram []cell

// A cell is one bucket: attempts that were answered, and attempts given up, after about the same
// time.
type cell struct{ answered, censored atomic.Uint32 }

// A tally is what a cell, or the cells of several histograms, held when they were read.
type tally struct{ answered, censored uint32 }

const (
	unitBits = 13 // of the narrowest bucket: 8.192 µs
	subBits  = 5  // 32 buckets to a power of two
)

// bucketOf returns the bucket of d, which must not be negative.
func bucketOf(d time.Duration) int {
	v := uint64(d) >> unitBits
	e := max(0, bits.Len64(v)-subBits-1)
	return e<<subBits + int(v>>e)
}

// lowerEdge returns the shortest duration in bucket i; all durations in bucket i-1 are below it.
func lowerEdge(i int) time.Duration {
	e := max(0, i>>subBits-1)
	return time.Duration(i-e<<subBits) << e << unitBits
}

// newHistogram returns a histogram for durations up to longest; longer ones share the last
// bucket.
func newHistogram(longest time.Duration) histogram { return make(histogram, bucketOf(longest)+2) }

func (h histogram) add(d time.Duration, answered bool) {
	c := &h[min(bucketOf(d), len(h)-1)]
	if answered {
		c.answered.Add(1)
	} else {
		c.censored.Add(1)
	}
}

// addTo adds what h holds to t, which is as long.
func (h histogram) addTo(t []tally) {
	for i := range h {
		t[i].answered += h[i].answered.Load()
		t[i].censored += h[i].censored.Load()
	}
}

func (h histogram) count() (answered, censored uint64) {
	for i := range h {
		answered += uint64(h[i].answered.Load())
		censored += uint64(h[i].censored.Load())
	}
	return answered, censored
}

func (h histogram) clear() {
	for i := range h {
		h[i].answered.Store(0)
		h[i].censored.Store(0)
	}
}
