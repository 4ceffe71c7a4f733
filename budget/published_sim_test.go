package budget_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
)

// The published budgets under the model of fleet have published figures: loads in the first ten
// seconds of an outage with 1, 10, 100 and 1,000 clients, and success and load of 100 clients at p
// = 0.1 and 0.3, all in percent.
func TestPublished_Figures(t *testing.T) {
	for _, c := range []struct {
		spec     budget.Spec
		attempts int
		outage   [4]float64
		random   [2][2]float64
	}{
		{budget.Unlimited{}, 4, [4]float64{400, 400, 400, 400}, [2][2]float64{{99.99, 111}, {99.2, 142}}},
		{budget.GRPC{}, 4, [4]float64{100, 100, 103, 131}, [2][2]float64{{94.0, 105}, {70.6, 101}}},
		{budget.TokenBucket{OnSuccess: true}, 4, [4]float64{100, 100, 104, 140}, [2][2]float64{{98.3, 109}, {75.8, 108}}},
		{budget.TokenBucket{}, 1000, [4]float64{}, [2][2]float64{{98.7, 109}, {77.5, 111}}},
		{budget.AWS{Mode: budget.AWS2026}, 3, [4]float64{100, 103, 135, 300}, [2][2]float64{{99.9, 111}, {94.0, 135}}},
		{budget.AWS{}, 3, [4]float64{101, 110, 200, 300}, [2][2]float64{{99.9, 111}, {97.2, 139}}},
		{budget.Finagle{}, 4, [4]float64{121, 131, 222, 400}, [2][2]float64{{99.99, 111}, {99.2, 142}}},
		{budget.Finagle{MinPerSecond: -1}, 4, [4]float64{}, [2][2]float64{{99.8, 111}, {83.1, 119}}},
		{budget.Concurrency{}, 4, [4]float64{128, 224, 395, 400}, [2][2]float64{{99.99, 111}, {99.2, 142}}},
		{budget.Ratio{}, 3, [4]float64{144, 145, 145, 149}, [2][2]float64{{99.2, 110}, {77.9, 111}}},
	} {
		t.Run(fmt.Sprintf("%#v", c.spec), func(t *testing.T) {
			t.Parallel()
			if race {
				t.Skip("a simulation is one goroutine")
			}
			play := func(f fleet) tally {
				f.spec, f.attempts, f.seed = c.spec, c.attempts, 1
				return f.run()
			}
			for i, clients := range []int{1, 10, 100, 1000} {
				if want := c.outage[i]; want > 0 {
					require.InDelta(t, want, 100*play(outage(clients)).load(), 1.5, "an outage, %d clients", clients)
				}
			}
			for i, p := range []float64{0.1, 0.3} {
				r := play(steady(100, p))
				require.InDelta(t, c.random[i][0], 100*r.success(), 1.5, "success at p = %v", p)
				require.InDelta(t, c.random[i][1], 100*r.load(), 1.5, "load at p = %v", p)
			}
		})
	}
}
