package live

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/internal/leak"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestFleet_WithoutTimeIsError(t *testing.T) {
	_, err := Fleet{Clients: 1, Rate: 1, Percent: 1}.Run(retry.Config{}, GRPC)
	require.ErrorContains(t, err, "no calls")
	_, err = Fleet{Clients: 1, Rate: 1, Percent: 1}.Run(retry.Config{MaxAttempts: -5}, HTTP)
	require.ErrorContains(t, err, "MaxAttempts")
}

// A busy machine gets as many calls in more time, and is not asked for ever.
func TestFleet_BusyMachineGetsMoreTime(t *testing.T) {
	f := Fleet{Clients: 3, Rate: 200, Healthy: time.Second, Faulty: 2 * time.Second, Percent: 5, Seed: 7}
	require.Equal(t, Fleet{Clients: 3, Rate: 100, Healthy: 2 * time.Second, Faulty: 4 * time.Second, Percent: 5, Seed: 7}, f.Slower())
	require.False(t, Measured{took: []time.Duration{2 * leg, 4 * leg, leg}}.Starved())
	require.True(t, Measured{took: []time.Duration{2 * leg, 40 * leg, leg}}.Starved())
}

// Whatever else reaches the port is neither counted nor served.
func TestFleet_ForeignRequestsNotCounted(t *testing.T) {
	defer leak.Check(t)()
	for _, over := range []Wire{HTTP, GRPC} {
		var book ledger
		served := 0
		server, err := over.serve(func(_ context.Context, call int) error {
			served++
			book.attempt(call)
			book.answer(call)
			return nil
		}, false)
		require.NoError(t, err)
		client, err := over.dial(server.addr, retry.Must(retry.New(retry.Config{})))
		require.NoError(t, err)
		require.NoError(t, client.send(t.Context(), book.open(true)))
		require.NoError(t, client.send(t.Context(), book.open(false)))
		for _, call := range []int{-1, 2} {
			require.NoError(t, client.send(t.Context(), call))
		}
		client.close()
		server.close()
		require.Equal(t, 4, served)
		require.Equal(t, fleet.Tally{Calls: 1, Succeeded: 1, Attempts: 1}, book.sum(), over.Name)
	}
}

func TestDeck_ExactFailuresPerHundred(t *testing.T) {
	draw := func(d *deck) (fails int, places []int) {
		for i := range 100 {
			if d.fails() {
				fails++
				places = append(places, i)
			}
		}
		return fails, places
	}
	one, again := newDeck(7, 10), newDeck(7, 10)
	n, first := draw(one)
	require.Equal(t, 10, n)
	_, same := draw(again)
	require.Equal(t, first, same, "same seed, same places")
	n, second := draw(one)
	require.Equal(t, 10, n)
	require.NotEqual(t, first, second, "each hundred is shuffled")
}
