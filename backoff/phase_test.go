package backoff_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/backoff"
)

// The numbers are from a second implementation, in another language. They never change: a fleet
// that is half upgraded keeps its slots.
func TestPhase_NeverChanges(t *testing.T) {
	for key, want := range map[string]time.Duration{
		"":                 56206166903,
		"host1":            52335421905,
		"host2":            9745146885,
		"db-7.example.org": 28297883385,
		"ключ":             20864070082,
	} {
		require.Equal(t, want, backoff.Phase(key, time.Minute), key)
	}
}

func TestPhase_WithinPeriod(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.String().Draw(t, "key")
		period := time.Duration(rapid.Int64Range(1, math.MaxInt64).Draw(t, "period"))
		place := backoff.Phase(key, period)
		require.GreaterOrEqual(t, place, time.Duration(0))
		require.Less(t, place, period)
		require.Equal(t, place, backoff.Phase(key, period))
	})
}

// Names as fleets have them, which differ in few characters, and a period that is short in
// nanoseconds.
func TestPhase_UniformOverHosts(t *testing.T) {
	const hosts, slots = 10_000, 100
	for _, name := range []string{"host%d", "%d", "web-%05d.eu-west-1.compute.internal", "10.0.%d.1", "pod-7f9c%x-refresh"} {
		for _, period := range []time.Duration{slots, time.Minute, 24 * time.Hour, 292 * 365 * 24 * time.Hour} {
			var counts [slots]int
			places := make([]float64, hosts)
			for i := range hosts {
				place := float64(backoff.Phase(fmt.Sprintf(name, i), period))
				counts[int(place*slots/float64(period))]++
				places[i] = place / float64(period)
			}
			chi2 := 0.0
			for _, n := range counts {
				d := float64(n) - hosts/slots
				chi2 += d * d / (hosts / slots)
			}
			// Chi-square with 99 degrees of freedom: mean 99, sd 14.1; 0.1 % of random spreads are
			// above 149 and 0.1 % below 61 (too even to be a hash).
			require.Less(t, chi2, 149.0, "%s over %v", name, period)
			require.Greater(t, chi2, 61.0, "%s over %v", name, period)
			if period > slots {
				requireDistributed(t, places, func(x float64) float64 { return x })
			}
		}
	}
}

func TestPhase_PanicsWithoutPeriod(t *testing.T) {
	require.PanicsWithValue(t, "backoff.Phase: period: must be above 0, not 0s", func() { backoff.Phase("a", 0) })
	require.Panics(t, func() { backoff.Phase("a", -time.Second) })
}
