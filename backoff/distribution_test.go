package backoff_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
)

const clients = 20_000

// drawn returns the waits of many clients at the same wait, with the same wait before it.
func drawn(s backoff.Strategy, wait int, prev time.Duration) []float64 {
	rng := rand.New(rand.NewPCG(1, uint64(wait)))
	all := make([]float64, clients)
	for i := range all {
		all[i] = float64(s.Delay(wait, prev, rng.Float64()))
	}
	return all
}

func even(from, to time.Duration) func(float64) float64 {
	return func(x float64) float64 {
		return min(1, max(0, (x-float64(from))/float64(to-from)))
	}
}

func TestJitter_IsUniform(t *testing.T) {
	const base, cap = 50 * time.Millisecond, 20 * time.Second
	curve := backoff.Exponential(base, cap)
	decorrelated := backoff.DecorrelatedJitter(base, cap)
	for wait := 1; wait <= 12; wait++ {
		top := curve.Delay(wait, 0, 0)
		requireDistributed(t, drawn(backoff.FullJitter(base, cap), wait, 0), even(0, top))
		requireDistributed(t, drawn(backoff.Full(curve), wait, 0), even(0, top))
		requireDistributed(t, drawn(backoff.EqualJitter(base, cap), wait, 0), even(top/2, top))
		requireDistributed(t, drawn(backoff.Equal(curve), wait, 0), even(top/2, top))
		requireDistributed(t, drawn(backoff.Proportional(curve, 0.2), wait, 0), even(top-top/5, top+top/5))
		requireDistributed(t, drawn(decorrelated, wait, top/3), even(base, max(3*base, top)))
	}
	requireDistributed(t, drawn(decorrelated, 1, 0), even(base, 3*base))
	requireDistributed(t, drawn(decorrelated, 9, 15*time.Second), even(base, cap))
}

// The test has to be able to fail: a spread that is 3 % off is found.
func TestKolmogorovSmirnov_FindsUnevenSpread(t *testing.T) {
	samples := drawn(backoff.FullJitter(time.Second, time.Second), 1, 0)
	off := even(0, 1030*time.Millisecond)
	require.Greater(t, distance(samples, off), 2.2253/math.Sqrt(clients))
}

// One draw first and a cut after is the article's formula to the letter; a cap of no bounds leaves
// it to Cap.
func TestCap_OverDecorrelatedMatchesArticle(t *testing.T) {
	const base, cap = 5 * time.Millisecond, 2 * time.Second
	s := backoff.Cap(backoff.DecorrelatedJitter(base, math.MaxInt64), cap)
	rng := rand.New(rand.NewPCG(2, 2))
	for range 100 {
		prev, sleep := time.Duration(0), float64(base)
		for wait := 1; wait <= 20; wait++ {
			u := rng.Float64()
			prev = s.Delay(wait, prev, u)
			sleep = min(float64(cap), float64(base)+u*(sleep*3-float64(base)))
			require.InDelta(t, sleep, float64(prev), 1e3)
		}
	}
}

// Law 3: a thousand clients that all reached the cap are still spread, whichever jitter they use.
func TestJitter_SurvivesCap(t *testing.T) {
	const base, cap = 50 * time.Millisecond, 20 * time.Second
	curve := backoff.Fibonacci(base, cap)
	for name, s := range map[string]backoff.Strategy{
		"full":         backoff.FullJitter(base, cap),
		"equal":        backoff.EqualJitter(base, cap),
		"decorrelated": backoff.DecorrelatedJitter(base, cap),
		"smooth":       backoff.SmoothDecorrelated(base, cap),
		"proportional": backoff.Proportional(curve, 0.2),
		"full curve":   backoff.Full(curve),
		"equal curve":  backoff.Equal(curve),
		"capped curve": backoff.Full(backoff.Cap(curve, time.Second)),
		"base is cap":  backoff.FullJitter(cap, cap),
	} {
		rng := rand.New(rand.NewPCG(3, 3))
		for _, wait := range []int{20, 64, 1_000_000, math.MaxInt} {
			seen := map[time.Duration]bool{}
			lowest, highest := time.Duration(math.MaxInt64), time.Duration(0)
			for range 1000 {
				d := s.Delay(wait, cap, rng.Float64())
				seen[d] = true
				lowest, highest = min(lowest, d), max(highest, d)
			}
			require.Greater(t, len(seen), 990, "%s, wait %d: most wait for a time of their own", name, wait)
			require.Greater(t, float64(highest-lowest), 0.3*float64(highest), "%s, wait %d", name, wait)
		}
	}
}

// polly computes the published formula with the state that it keeps between waits: the waits of
// one call, in medians.
func polly(rng *rand.Rand, waits int) []float64 {
	var all []float64
	prev := 0.0
	for i := range waits {
		t := float64(i) + rng.Float64()
		next := math.Pow(2, t) * math.Tanh(math.Sqrt(4*t))
		all = append(all, (next-prev)/1.4)
		prev = next
	}
	return all
}

func TestSmoothDecorrelated_DistributedAsPolly(t *testing.T) {
	const waits, median = 10, time.Second
	s := backoff.SmoothDecorrelated(median, math.MaxInt64)
	rng := rand.New(rand.NewPCG(4, 4))
	theirs := make([][]float64, waits)
	for range clients {
		for i, x := range polly(rng, waits) {
			theirs[i] = append(theirs[i], x*float64(median))
		}
	}
	for i := range waits {
		ours := drawn(s, i+1, 0)
		requireSame(t, ours, theirs[i])
		require.InEpsilon(t, mean(theirs[i]), mean(ours), 0.02, "wait %d", i+1)
	}
}

// What splitting one random number costs: the same mean, and a spread that is about 30 % wider, as
// documented.
func TestSmoothDecorrelated_TimeOfLateRetry(t *testing.T) {
	const waits, median = 8, time.Second
	s := backoff.SmoothDecorrelated(median, math.MaxInt64)
	rng := rand.New(rand.NewPCG(5, 5))
	ours, theirs := make([]float64, clients), make([]float64, clients)
	for i := range clients {
		for wait := 1; wait <= waits; wait++ {
			ours[i] += s.Delay(wait, 0, rng.Float64()).Seconds()
		}
		for _, x := range polly(rng, waits) {
			theirs[i] += x
		}
	}
	require.InEpsilon(t, mean(theirs), mean(ours), 0.01)
	require.InEpsilon(t, 1.29, deviation(ours)/deviation(theirs), 0.03)
}

// The range is the published one: up to F(n) - F(n-2), here scaled to the cap when it is above it.
func TestSmoothDecorrelated_ReachesCapAndNoMore(t *testing.T) {
	const cap = 10 * time.Second
	s := backoff.SmoothDecorrelated(time.Second, cap)
	free := backoff.SmoothDecorrelated(time.Second, math.MaxInt64)
	for _, wait := range []int{1, 2, 3, 4, 5, 6, 7, 8, 40, 64, 100} {
		all, unbounded := drawn(s, wait, 0), drawn(free, wait, 0)
		most, low, high, above := 0.0, 0, 0, 0
		for i, d := range all {
			most = max(most, d)
			if d < float64(cap)/4 {
				low++
			}
			if d > float64(cap)/2 {
				high++
			}
			if d > unbounded[i] {
				above++
			}
		}
		require.Zero(t, above, "a cap makes no delay longer")
		require.LessOrEqual(t, most, float64(cap))
		if wait >= 5 { // the longest fourth wait is 8.6 medians, the longest fifth 17: here is something to scale
			require.Greater(t, most, 0.9*float64(cap))
			require.Greater(t, low, clients/10)
			require.Greater(t, high, clients/10)
		}
	}
	require.LessOrEqual(t, s.Delay(1, 0, 1), 2*time.Second)
}

func TestSmoothDecorrelated_Medians(t *testing.T) {
	s := backoff.SmoothDecorrelated(time.Second, math.MaxInt64)
	for i, want := range []float64{0.90, 1.14, 2.02, 4.01, 8.01, 16.0, 32.0} {
		all := slices.Sorted(slices.Values(drawn(s, i+1, 0)))
		require.InEpsilon(t, want, all[clients/2]/float64(time.Second), 0.02, "wait %d", i+1)
	}
}
