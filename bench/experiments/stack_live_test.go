package experiments

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/internal/leak"
)

// The rows say what must hold: at most 1.15 leaf attempts per user request in a total outage with
// evenkeel at every layer, 243 without.
func TestStackLive_HoldsBars(t *testing.T) {
	defer leak.Check(t)()
	rows := quickly(t, stackLive, 1)
	require.Len(t, rows, 2*3)
	for _, row := range rows {
		require.Empty(t, row.Off(), row.Label())
		if row.Params["p"] == 1.0 {
			require.Zero(t, *row.Metrics["success"], row.Label())
		}
	}
	require.Equal(t, 6, tallyOf(rows).Published)
	require.Contains(t, rows[5].Bars, "load", "evenkeel p=1")
}

func TestStackLive_UserPolicyIsRow(t *testing.T) {
	mine := Policy{Name: "user:mine", Config: policyNamed("none").Config, user: true}
	o := Options{Seed: 1, User: []Policy{mine}, pool: newPool(runtime.GOMAXPROCS(0)), experiment: "stack-live"}
	rows, err := runStackLive(o, 20)
	require.NoError(t, err)
	require.Len(t, rows, 3*3)
	for _, row := range rows[2*3:] {
		require.Equal(t, "user:mine", row.Policy)
		require.Equal(t, 1.0, *row.Metrics["load"])
		require.Empty(t, row.Bars)
	}
}
