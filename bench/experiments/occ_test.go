package experiments

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
)

func TestOCC_HasEveryPublishedFigure(t *testing.T) {
	published, err := readOCC()
	require.NoError(t, err)
	require.Len(t, published, 100, "five strategies at twenty sizes")
	require.Equal(t, occPublished{796.1, 7.2, 4895.3, 479.2}, published[occKey(100, "full")])
}

// All twenty sizes of all five strategies, calls and time.
func TestOCC_AgreesWithArticle(t *testing.T) {
	skipUnderRace(t)
	rows := quickly(t, occ, 1)
	require.Equal(t, Tally{Published: 200, Agree: 200}, tallyOf(rows))
	for _, row := range rows {
		require.Empty(t, row.Off(), row.Label())
	}
}

// What the agreement is worth: a slightly different model, here a first backoff of the base
// instead of twice that, is found to be off.
func TestOCC_FindsAnotherModel(t *testing.T) {
	published, err := readOCC()
	require.NoError(t, err)
	c := occCell{"evenkeel", "full", backoff.FullJitter(occBase, occCap), 100}
	row, err := c.row(Options{Seed: 1, experiment: "occ"}, 20, published)
	require.NoError(t, err)
	require.NotEmpty(t, row.Off())
}

func TestOCC_OneClientNeedsFourMessages(t *testing.T) {
	c := occCell{"evenkeel", "none", backoff.None(), 1}
	calls, took, err := c.run(rand.New(rand.NewPCG(1, 1)), 1000)
	require.NoError(t, err)
	require.Equal(t, 1., calls)
	require.InDelta(t, 40, took, .5)
}

func TestSink_EarliestFirst(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	queue := make([]occMessage, 50)
	for i := range queue {
		queue[i].at = time.Duration(rng.IntN(100))
	}
	for i := len(queue)/2 - 1; i >= 0; i-- {
		sink(queue, i)
	}
	var last time.Duration
	for range 10_000 {
		require.GreaterOrEqual(t, queue[0].at, last)
		last = queue[0].at
		queue[0].at += time.Duration(rng.IntN(100))
		sink(queue, 0)
	}
}

func TestOCC_UserBackoffIsRow(t *testing.T) {
	skipUnderRace(t)
	o := Options{Seed: 1, Quick: true, pool: newPool(2), experiment: "occ"}
	o.User = []Policy{{Name: "user:mine", user: true}}
	o.User[0].Config.Backoff = backoff.FullJitter(2*occBase, occCap)
	rows, err := runOCC(o)
	require.NoError(t, err)
	n := 0
	for _, row := range rows {
		if row.Policy == "user:mine" {
			n++
			require.Equal(t, "own", row.Params["jitter"])
			require.Greater(t, *row.Metrics["calls"], float64(row.Params["clients"].(int)))
		}
	}
	require.Equal(t, 20, n)
}
