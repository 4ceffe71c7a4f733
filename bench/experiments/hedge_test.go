package experiments

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func byPolicy(rows []Row) map[string]Row {
	all := map[string]Row{}
	for _, row := range rows {
		all[row.Policy] = row
	}
	return all
}

// Published: 17.0 ms at 8.9 % more load. evenkeel: at most 17.2 ms at 7.5 %.
func TestHedges_HoldBar(t *testing.T) {
	skipUnderRace(t)
	for _, seed := range []uint64{1, 2, 3} {
		rows := quickly(t, hedge, seed)
		all := byPolicy(rows)
		for _, name := range []string{"evenkeel", "evenkeel-fixed"} {
			require.Empty(t, all[name].Off(), name)
			require.Len(t, all[name].Bars, 2)
			require.Greater(t, *all[name].Metrics["load"], 1.05, "it does hedge")
		}
		require.Less(t, *all["evenkeel-two-hedges"].Metrics["p999_ms"], 40., "the second hedge is for the hedges that straggle")
	}
	for _, row := range quickly(t, hedge, 1) {
		require.Empty(t, row.Off(), row.Label())
	}
}

// hedgedBy makes one call after another, the attempts of each taking what is given.
func hedgedBy(t *testing.T, cfg retry.Config, attempts ...[]time.Duration) hedgeResult {
	t.Helper()
	p, err := retry.New(cfg)
	require.NoError(t, err)
	r := hedgeRace{rules: &drive.Of(p).Rules}
	for i, latencies := range attempts {
		r.call(time.Duration(i)*time.Hour, func(attempt int) time.Duration { return latencies[attempt-1] })
		r.until(time.Duration(i)*time.Hour + time.Minute)
	}
	return r.finish()
}

func TestHedges_FirstAnswerEndsCall(t *testing.T) {
	ms := func(n ...time.Duration) []time.Duration {
		for i := range n {
			n[i] *= time.Millisecond
		}
		return n
	}
	cfg := retry.Config{Hedge: timeout.Fixed(10 * time.Millisecond), Budget: budget.Unlimited{}}
	for _, c := range []struct {
		latencies []time.Duration
		took      time.Duration
		attempts  int
	}{
		{ms(5), 5, 1},
		{ms(12, 5), 12, 2},
		{ms(50, 5), 15, 2},
		{ms(50, 50, 5), 25, 3},
		{ms(50, 60, 60), 50, 3},
	} {
		r := hedgedBy(t, cfg, c.latencies)
		require.Equal(t, []time.Duration{c.took * time.Millisecond}, r.took)
		require.Equal(t, c.attempts, r.attempts)
	}
	r := hedgedBy(t, cfg, ms(50, 5), ms(5), ms(12, 1))
	require.Equal(t, ms(5, 11, 15), r.took)
	require.Equal(t, 5, r.attempts)
}

func TestHedges_PercentilesOfAllCalls(t *testing.T) {
	var r hedgeResult
	for i := range 1000 {
		r.add(time.Duration(1000-i) * time.Millisecond)
	}
	r.attempts = 1100
	r.sort()
	m := r.metrics()
	require.InDelta(t, 500, *m["p50_ms"], 1)
	require.InDelta(t, 999, *m["p999_ms"], 1)
	require.Equal(t, 1.1, *m["load"])
}

// Two of the paper's three figures are what the model is made of; the third, 74 ms, follows from
// it.
func TestFanout_AgreesWithTailAtScale(t *testing.T) {
	skipUnderRace(t)
	all := byPolicy(quickly(t, hedgeFanout, 1))
	for _, row := range all {
		require.Empty(t, row.Off(), row.Label())
	}
	require.Len(t, all["static-10ms"].Published, 2)
	require.Less(t, *all["evenkeel"].Metrics["load"], *all["static-10ms"].Metrics["load"], "the budget bounds it")
	require.Less(t, *all["evenkeel"].Metrics["p999_ms"], *all["none"].Metrics["p999_ms"])
}

// Calls that are answered before the hedge delay need not be driven one by one.
func TestHedges_SkippedQuietCallsChangeNothing(t *testing.T) {
	cfg := hedgePolicies()[1].Config
	quick, err := fanout{50, fanoutDelay}.run(cfg, 1)
	require.NoError(t, err)
	slow, err := fanout{50, 0}.run(cfg, 1)
	require.NoError(t, err)
	require.Equal(t, slow, quick)
}
