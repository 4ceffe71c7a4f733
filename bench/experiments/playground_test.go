package experiments

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/bench/playground"
)

func TestPlayground_RowsMatchPage(t *testing.T) {
	all := Perform(t.Context(), []Experiment{playgroundRuns}, Options{Seed: 7, Workers: 2}, func(Performed) {})
	require.Len(t, all, 1)
	require.NoError(t, all[0].Err)
	require.Len(t, all[0].Rows, 3*len(playground.Faults))
	for _, row := range all[0].Rows {
		s, side := playground.Preset(row.Params["fault"].(string), 7), playground.Own
		switch row.Policy {
		case "unlimited":
			side = playground.Beside
		case "grpc":
			side, s.Beside = playground.Beside, []byte(`"grpc"`)
		}
		f, err := playground.Run(s, side, nil)
		require.NoError(t, err)
		require.Equal(t, metricsOf(f), row.Metrics, row.Label())
	}
}
