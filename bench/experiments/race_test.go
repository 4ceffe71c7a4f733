package experiments

import "testing"

// skipUnderRace skips simulations, each of one goroutine: the detector would find nothing and
// take ten times as long.
func skipUnderRace(t *testing.T) {
	t.Helper()
	if underRace {
		t.Skip("a simulation of one goroutine; it runs without the race detector")
	}
}
