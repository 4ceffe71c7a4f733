package timeout

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestBuckets_ContainTheirDurations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(maxCeiling)).Draw(t, "d"))
		i := bucketOf(d)
		require.LessOrEqual(t, lowerEdge(i), d)
		require.Greater(t, lowerEdge(i+1), d)
		width := lowerEdge(i+1) - lowerEdge(i)
		require.LessOrEqual(t, width, max(1<<unitBits, d/(1<<subBits)), "3 %%, or the unit")
	})
}

func TestBuckets_AreContiguous(t *testing.T) {
	for i := range bucketOf(maxCeiling) {
		require.Equal(t, i, bucketOf(lowerEdge(i)))
		require.Equal(t, i, bucketOf(lowerEdge(i+1)-1))
	}
}

// The reference computes the curve from the list of samples, as the paper defines it, and stops at
// the first time that at most share outlive.
func TestQuantile_IsKaplanMeier(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const n = 12
		type sample struct {
			bucket   int
			answered bool
		}
		samples := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) sample {
			return sample{rapid.IntRange(0, n-1).Draw(t, "bucket"), rapid.Bool().Draw(t, "answered")}
		}), 1, 60).Draw(t, "samples")
		share := rapid.Float64Range(0.001, 0.9).Draw(t, "share")

		buckets := make([]tally, n)
		wantBucket, wantLeft, reached := 0, 1.0, false
		for i := range n {
			var atRisk, answers float64
			for _, s := range samples {
				if s.bucket >= i {
					atRisk++
				}
				if s.bucket == i && s.answered {
					answers++
				}
			}
			if atRisk > 0 && !reached {
				wantLeft *= 1 - answers/atRisk
				reached = wantLeft <= share
				if slices.ContainsFunc(samples, func(s sample) bool { return s.bucket == i }) {
					wantBucket = i
				}
			}
		}
		for _, s := range samples {
			if s.answered {
				buckets[s.bucket].answered++
			} else {
				buckets[s.bucket].censored++
			}
		}
		bucket, left := quantile(buckets, share)
		require.Equal(t, wantBucket, bucket)
		require.InDelta(t, wantLeft, left, 1e-12)
	})
}

func TestQuantile_UncensoredIsSampleQuantile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	buckets, all := make([]tally, 100), make([]int, 999)
	for i := range all {
		all[i] = r.IntN(len(buckets))
		buckets[all[i]].answered++
	}
	slices.Sort(all)
	for _, share := range []float64{0.5, 0.1, 0.01} {
		bucket, left := quantile(buckets, share)
		require.Equal(t, all[999-int(share*999)-1], bucket)
		require.LessOrEqual(t, left, share)
	}
}

func TestQuantile_OfNothing(t *testing.T) {
	bucket, left := quantile(make([]tally, 3), 0.5)
	require.Zero(t, bucket)
	require.Equal(t, 1.0, left)
}

// Counters of 32 bits must not overflow, however long the window and whatever is answered.
func TestEstimator_FullSliceEnds(t *testing.T) {
	for _, answered := range []bool{true, false} {
		w := newWindow(time.Second)
		w.add(time.Millisecond, answered)
		c := &w.slices[0][bucketOf(time.Millisecond)]
		w.turn(1, time.Hour, 100)
		require.Zero(t, w.active.Load(), "neither of age nor full")
		c.answered.Store(full / 2)
		c.censored.Store(full / 2)
		w.turn(2, time.Hour, 1<<40)
		require.Equal(t, uint32(1), w.active.Load())
	}
}

func TestEstimator_WindowKeepsEnoughAnswers(t *testing.T) {
	w := newWindow(time.Second)
	for range 100 {
		w.add(time.Millisecond, true)
	}
	const age = time.Second
	now := age
	w.turn(now, age, 100)
	require.Equal(t, uint32(1), w.active.Load(), "the slice to be cleared is empty")
	for range 99 {
		w.add(time.Millisecond, true)
		w.add(time.Millisecond, false)
	}
	for range 10 {
		now += age
		w.turn(now, age, 100)
	}
	require.Equal(t, uint32(3), w.active.Load(), "without the first slice 99 answers would be left")
	w.add(time.Millisecond, true)
	w.turn(now, age, 100)
	require.Zero(t, w.active.Load())
	buckets := make([]tally, len(w.slices[0]))
	w.read(buckets)
	require.Equal(t, tally{answered: 100, censored: 99}, buckets[bucketOf(time.Millisecond)])
	w.add(time.Millisecond, true)
	now += age / 2
	w.turn(now, age, 1)
	require.Zero(t, w.active.Load(), "half its age")
}

func TestEstimator_SkipsUpdateIfBusy(t *testing.T) {
	e := newEstimator(Percentile{}.withDefaults())
	e.busy.Store(true)
	for i := range 2000 {
		e.Observe(time.Unix(int64(i), 0), time.Millisecond, true)
	}
	require.Equal(t, defaultCeiling, e.Timeout())
	e.busy.Store(false)
	e.Observe(time.Unix(2000, 0), time.Millisecond, true)
	require.Less(t, e.Timeout(), 2*time.Millisecond)
}
