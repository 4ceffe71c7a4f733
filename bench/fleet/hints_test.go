package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestQuota_PerWindow(t *testing.T) {
	s := fleet.Scenario{
		Load: fleet.Load{Rate: 1000, Periodic: true}, Duration: 40 * time.Second,
		Server: fleet.Server{Quota: 5000, Window: 10 * time.Second},
	}
	r := run(t, retry.Config{MaxAttempts: 1}, s)
	require.InDelta(t, 20_000, r.Succeeded, 10)
	require.InDelta(t, 5000, r.Between(0, 5*time.Second).Good, 10, "first come, first served")
	require.Zero(t, r.Between(6*time.Second, 10*time.Second).Good)

	s.Server.Window = 0 // a second
	r = run(t, retry.Config{MaxAttempts: 1}, s)
	require.InDelta(t, 40_000, r.Succeeded, 1)
}

// A client knows when to come back: with HintScope all its calls do, and each process knows only
// what it was told itself.
func TestClient_ObeysHints(t *testing.T) {
	for clients, most := range map[int]int{1: 20, 10: 200} {
		s := fleet.Scenario{
			Clients: clients, Load: fleet.Load{Rate: 1000}, Duration: time.Minute, Deadline: 30 * time.Second,
			Faults: []fleet.Fault{{From: 10 * time.Second, To: 20 * time.Second, Throttle: 1, After: 11 * time.Second}},
		}
		alone := run(t, retry.Config{}, s)
		shared := run(t, retry.Config{HintScope: "destination"}, s)
		during := shared.Between(10*time.Second, 20*time.Second)
		require.Less(t, during.Sent, most, "%d clients", clients)
		require.GreaterOrEqual(t, shared.Success(), .999)
		require.Greater(t, alone.Between(10*time.Second, 20*time.Second).Sent, 9000)
	}
}

func TestMaxElapsed_Holds(t *testing.T) {
	s := fleet.Scenario{
		Load: fleet.Load{Rate: 10}, Duration: time.Minute,
		Faults: []fleet.Fault{{To: 2 * time.Minute, Fail: 1}},
	}
	cfg := unlimited(retry.Unlimited)
	cfg.Backoff, cfg.ThrottledBackoff = nil, nil
	cfg.MaxElapsed = 2 * time.Second
	r := run(t, cfg, s)
	require.Zero(t, r.Succeeded)
	end := time.Duration(len(r.Series)) * r.Bin
	require.Less(t, end, 63*time.Second, "the last call began in the last second")
}
