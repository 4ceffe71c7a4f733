package experiments

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func quickly(t *testing.T, e Experiment, seed uint64) []Row {
	t.Helper()
	o := Options{Seed: seed, Quick: true, Workers: runtime.GOMAXPROCS(0)}
	all := Perform(t.Context(), []Experiment{e}, o, func(Performed) {})
	require.Len(t, all, 1)
	p := all[0]
	require.NoError(t, p.Err)
	require.NotEmpty(t, p.Rows)
	return p.Rows
}

// Quick runs reproduce what was published, and evenkeel holds its bars.
func TestExperiments_AgreeWithSources(t *testing.T) {
	skipUnderRace(t)
	published := map[string]int{
		"retry-budget": 176, "outage": 32, "stack": 40, "metastable": 30, "brownout": 12, "spike": 15, "busy": 0, "fleet-budget": 0, "overload": 0, "loop": 0,
	}
	for _, e := range All {
		want, ok := published[e.Name]
		if !ok || testing.Short() && e.Name != "outage" && e.Name != "busy" && e.Name != "fleet-budget" {
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			rows := quickly(t, e, 1)
			require.Equal(t, want, tallyOf(rows).Published)
			for _, row := range rows {
				require.Empty(t, row.Off(), row.Label())
			}
		})
	}
}

// What every experiment promises to those who read its rows.
func TestExperiments_Complete(t *testing.T) {
	names := map[string]bool{}
	for _, e := range All {
		require.False(t, names[e.Name], "%s is there twice", e.Name)
		names[e.Name] = true
		require.NotEmpty(t, e.About, e.Name)
		require.NotEmpty(t, e.Source, e.Name)
		require.NotEmpty(t, e.Setup, e.Name)
		require.NotEmpty(t, e.Metrics, e.Name)
		for _, m := range e.Metrics {
			require.NotNil(t, m.Format, "%s %s", e.Name, m.Name)
		}
	}
}

// Who reads brownout's JSON by policy and case finds one row: the paper's server under the plain
// names, and evenkeel with the server side that it has.
func TestBrownout_OneRowPerPolicyAndCase(t *testing.T) {
	skipUnderRace(t)
	rows := map[string]Row{}
	for _, row := range quickly(t, brownout, 1) {
		key := row.Policy + " " + param(row.Params["case"])
		require.NotContains(t, rows, key)
		rows[key] = row
	}
	for _, c := range brownoutCases {
		recovery, ok := rows["retries-4 "+c.name].Metrics["recovery_s"]
		require.True(t, ok, c.name)
		require.Equal(t, c.stays, recovery == nil, "as the paper has it: %s", c.name)
	}
	ours := rows["evenkeel b"]
	require.LessOrEqual(t, *ours.Metrics["peak"], 1.7)
	require.LessOrEqual(t, *ours.Metrics["recovery_s"], 11.)
	require.LessOrEqual(t, *ours.Metrics["lost"], 30_000.)
}

func TestLimits_BeyondOneProcess(t *testing.T) {
	skipUnderRace(t)
	load := map[string]float64{}
	for _, row := range quickly(t, limits, 1) {
		if row.Policy == "evenkeel" {
			load[param(row.Params["case"])+" "+param(row.Params["clients"])] = *row.Metrics["load"]
		}
	}
	require.Greater(t, load["sparse 10000"], 1.3, "ten thousand clients of a call every ten seconds")
	require.Greater(t, load["restart 1000"], 1.2, "a fleet that restarts during the outage")
	require.Less(t, load["sparse, server 10000"], 1.02)
	require.Less(t, load["restart, server 1000"], 1.02)
	for _, held := range []string{"slow 1000", "hang 1000", "throttle 1000", "bursty 100"} {
		require.Less(t, load[held], 1.21, held)
	}
}

func TestSeeds_DerivedFromRun(t *testing.T) {
	o := Options{Seed: 1, experiment: "a"}
	seen := map[uint64]bool{}
	for _, seed := range []uint64{
		o.SeedFor("none", 1), o.SeedFor("none", 2), o.SeedFor("sre", 1),
		Options{Seed: 2, experiment: "a"}.SeedFor("none", 1), Options{Seed: 1, experiment: "b"}.SeedFor("none", 1),
	} {
		require.False(t, seen[seed])
		seen[seed] = true
	}
	require.Equal(t, o.SeedFor("none", 1), o.SeedFor("none", 1))
}
