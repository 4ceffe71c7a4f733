package timeout

import (
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// An estimator is the Learner of a Percentile. Observations go to a histogram of atomic counters.
// Now and then the goroutine that observes also computes the limit, which readers load as one
// word. Nobody waits: while one goroutine computes it, others skip it.
type estimator struct {
	rules Percentile // with its defaults filled in

	limit, usual atomic.Int64              // durations
	base         atomic.Pointer[time.Time] // now of the first observation
	next         atomic.Int64              // when to compute the limit again, as time since base
	busy         atomic.Bool               // guards the fields below, except for window.add

	window  *window
	buckets []tally                      // what the window held when last looked at
	past    [perWindow + 1]time.Duration // the shortest limit of each quarter of a window, this one first
	ticked  time.Duration                // when this quarter began, as time since base
}

// longestRefresh is the time between two estimates, unless a short window needs them sooner. An
// estimate takes microseconds, so it costs nothing, and the limit follows a slowdown closely.
const longestRefresh = 100 * time.Millisecond

// fewForMedian is the number of answers that a median needs, far fewer than a tail.
const fewForMedian = 10

func newEstimator(p Percentile) *estimator {
	e := &estimator{rules: p, window: newWindow(p.Ceiling)}
	e.buckets = make([]tally, len(e.window.slices[0]))
	e.limit.Store(int64(p.Ceiling))
	for i := range e.past {
		e.past[i] = p.Ceiling
	}
	return e
}

func (e *estimator) Timeout() time.Duration { return time.Duration(e.limit.Load()) }

func (e *estimator) Usual() time.Duration { return time.Duration(e.usual.Load()) }

// Observe counts an attempt. A took below 0 is ignored.
func (e *estimator) Observe(now time.Time, took time.Duration, answered bool) {
	if took < 0 {
		return
	}
	e.window.add(took, answered)
	base := e.base.Load()
	if base == nil {
		base = e.start(now)
	}
	at := now.Sub(*base)
	if int64(at) < e.next.Load() || !e.busy.CompareAndSwap(false, true) {
		return
	}
	e.refresh(at)
	e.busy.Store(false)
}

// start sets base to the first now. The caller's clock may count from any time.
func (e *estimator) start(now time.Time) *time.Time {
	e.base.CompareAndSwap(nil, &now)
	return e.base.Load()
}

// refresh computes the limit. at is the time since base. It requires that busy is set.
func (e *estimator) refresh(at time.Duration) {
	e.next.Store(int64(add(at, min(longestRefresh, e.rules.Window/500))))
	e.window.turn(at, e.rules.Window/perWindow, uint64(e.rules.WarmUp))
	e.window.read(e.buckets)
	e.tick(at)

	answered, censored := totals(e.buckets)
	if answered < fewForMedian {
		return
	}
	usual := e.median()
	e.usual.Store(int64(usual))
	if answered < float64(e.rules.WarmUp) {
		return
	}
	padded := time.Duration(float64(usual) * (1 + e.rules.Padding))
	limit := min(max(e.tail(answered+censored), padded), e.mostGrown())
	e.limit.Store(int64(min(max(limit, e.rules.Floor), e.rules.Ceiling)))
}

// median returns the duration that half of the attempts do not exceed. If most were given up, it
// is only a lower bound.
func (e *estimator) median() time.Duration {
	i, _ := quantile(e.buckets, 0.5)
	return min(lowerEdge(i+1), e.rules.Ceiling)
}

// tail returns the latency that a share of Rate of n samples exceeds. The number of samples that
// may exceed it is Rate*n rounded to the nearest: rounded down, 1,999 samples would be held to
// half the rate.
//
// If the survival curve ends above that share, it is continued as a Pareto distribution of index
// 2. Few latencies have so heavy a tail, and a curve that ends just above the rate is continued
// by little: at most to twice the longest time tried, beyond which nothing is known.
func (e *estimator) tail(n float64) time.Duration {
	share := e.rules.Rate + 0.5/n
	i, left := quantile(e.buckets, share)
	edge := lowerEdge(i + 1)
	if left <= share {
		return edge
	}
	tried := float64(lowerEdge(i))
	return max(edge, time.Duration(tried*min(2, math.Sqrt(left/e.rules.Rate))))
}

// tick records the shortest limit of each quarter of a window, for mostGrown.
func (e *estimator) tick(at time.Duration) {
	if at-e.ticked < e.rules.Window/perWindow {
		e.past[0] = min(e.past[0], e.Timeout())
		return
	}
	copy(e.past[1:], e.past[:])
	e.past[0] = e.Timeout()
	e.ticked = at
}

// mostGrown returns Growth times the shortest limit of the last window.
func (e *estimator) mostGrown() time.Duration {
	least := slices.Min(e.past[:])
	return time.Duration(min(float64(least)*e.rules.Growth, float64(e.rules.Ceiling)))
}

// add returns a+b without overflow; b is not negative.
func add(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
