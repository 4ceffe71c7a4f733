package experiments

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/bench/live"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/leak"
	"github.com/evenkeel-go/evenkeel/retry"
)

// The bars of the rows say what must hold: 2.5 attempts per call and more for the naive policy in
// an outage, at most 1.15 for evenkeel, 99 % success for both when 5 % of attempts fail, and the
// simulator within 3 points of it all. A quick run has 400 calls a row, and so a deviation of
// about one point: some row is 3 points off in one run of a hundred, and nothing is wrong; of two
// more runs then one must hold.
func TestLive_AgreesWithSimulator(t *testing.T) {
	defer leak.Check(t)()
	off := map[string]any{}
	for seed := uint64(1); seed == 1 || len(off) > 0; seed++ {
		require.LessOrEqual(t, seed, uint64(3), "%v", off)
		clear(off)
		rows := quickly(t, liveServers, seed)
		require.Len(t, rows, 2*2*3, "policies, transports, scenarios")
		for _, row := range rows {
			require.Contains(t, row.Bars, "off", row.Label())
			if found := row.Off(); len(found) > 0 {
				off[row.Label()] = found
			}
		}
	}
}

// The comparison with the simulator can fail: servers that fail more than the simulator was told
// are found out.
func TestLive_FindsDeviatingServer(t *testing.T) {
	defer leak.Check(t)()
	f := live.Fleet{Clients: 2, Rate: 200, Faulty: 3 * time.Second, Percent: 10, Seed: 1}
	c := liveCell{policyNamed("retries-3"), live.HTTP, liveScenario{"faults-10", 10}, f}
	f.Percent = 25
	m, err := f.Run(c.policy.Config, c.over)
	require.NoError(t, err)
	row, err := c.compare(m)
	require.NoError(t, err)
	holds, ok := row.Holds("off")
	require.True(t, ok)
	require.False(t, holds, "%v", *row.Metrics["off"])
}

func TestLive_UserPolicyHasNoBar(t *testing.T) {
	mine := Policy{Name: "user:mine", Config: retry.Config{MaxAttempts: 2, Backoff: immediate, ThrottledBackoff: immediate, Budget: budget.Unlimited{}}, user: true}
	o := Options{Seed: 1, User: []Policy{mine}, pool: newPool(runtime.GOMAXPROCS(0)), experiment: "live"}
	rows, err := runLive(o, live.Fleet{Clients: 1, Rate: 50, Faulty: time.Second / 2})
	require.NoError(t, err)
	require.Len(t, rows, 3*2*3)
	for _, row := range rows[2*2*3:] {
		require.Equal(t, "user:mine", row.Policy)
		require.Empty(t, row.Bars)
		if row.Params["scenario"] == "outage" {
			require.Equal(t, 2.0, *row.Metrics["load"], "%s: MaxAttempts", row.Label())
			require.Zero(t, *row.Metrics["success"], row.Label())
		}
	}
}
