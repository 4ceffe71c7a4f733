package fleet_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/retry"
)

// The whole simulator: set-up, calls, budgets and queue.
func BenchmarkRun(b *testing.B) {
	for _, clients := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			events := uint64(0)
			for b.Loop() {
				r, err := fleet.Run(retry.Config{}, fleet.Scenario{
					Clients:  clients,
					Load:     fleet.Load{Rate: float64(clients)},
					Network:  fleet.Exponential(10 * time.Millisecond),
					Faults:   []fleet.Fault{{To: time.Hour, Fail: .01}},
					Duration: time.Duration(3_000_000/clients) * time.Second,
				})
				require.NoError(b, err)
				events += r.Events
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
