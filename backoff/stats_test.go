package backoff_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireDistributed runs the Kolmogorov-Smirnov test: the greatest distance between the samples'
// distribution and cdf stays below what it exceeds for one random set of samples in 10,000 if the
// two are the same (2.2253/sqrt(n)). Seeds are fixed, so a failure is never bad luck.
func requireDistributed(t *testing.T, samples []float64, cdf func(float64) float64) {
	t.Helper()
	require.Less(t, distance(samples, cdf), 2.2253/math.Sqrt(float64(len(samples))))
}

// distance returns Kolmogorov-Smirnov's: the greatest between the samples' distribution and cdf.
func distance(samples []float64, cdf func(float64) float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	n, far := float64(len(sorted)), 0.0
	for i, x := range sorted {
		f := cdf(x)
		far = max(far, f-float64(i)/n, float64(i+1)/n-f)
	}
	return far
}

// requireSame runs the same test for two sets of samples of one distribution.
func requireSame(t *testing.T, a, b []float64) {
	t.Helper()
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	far, j := 0.0, 0
	for i, x := range a {
		for j < len(b) && b[j] <= x {
			j++
		}
		far = max(far, math.Abs(float64(i+1)/float64(len(a))-float64(j)/float64(len(b))))
	}
	n := float64(len(a)) * float64(len(b)) / float64(len(a)+len(b))
	require.Less(t, far, 2.2253/math.Sqrt(n))
}

func mean(samples []float64) float64 {
	sum := 0.0
	for _, x := range samples {
		sum += x
	}
	return sum / float64(len(samples))
}

func deviation(samples []float64) float64 {
	m, sum := mean(samples), 0.0
	for _, x := range samples {
		sum += (x - m) * (x - m)
	}
	return math.Sqrt(sum / float64(len(samples)))
}
