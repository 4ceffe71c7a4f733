package fleet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
)

// A policy that retries at once and for ever, on a network that takes no time, stays at one point
// in time.
func TestRun_StopsRunaway(t *testing.T) {
	policy := retry.Config{MaxAttempts: retry.Unlimited, Backoff: backoff.None(), Budget: budget.Concurrency{}}
	outage := Scenario{Load: Load{Rate: 1}, Faults: []Fault{{To: time.Hour, Fail: 1}}}
	_, err := Run(policy, outage)
	require.ErrorIs(t, err, ErrRunaway)

	outage.Network = Constant(time.Microsecond)
	s, err := newSim(policy, outage)
	require.NoError(t, err)
	s.most = 10_000
	require.ErrorIs(t, s.run(), ErrRunaway)
}

// Slots are used again: a run needs as many as are in use at a time, not as many as there are
// calls.
func TestRun_ReusesSlots(t *testing.T) {
	s, err := newSim(retry.Config{}, Scenario{
		Clients: 10, Load: Load{Rate: 1000}, Duration: 50 * time.Second,
		Network: Exponential(10 * time.Millisecond), Faults: []Fault{{To: time.Hour, Fail: .2}},
	})
	require.NoError(t, err)
	require.NoError(t, s.run())
	require.Greater(t, s.result().Calls, 45_000)
	require.Less(t, s.calls.Used, uint32(200))
	require.Less(t, s.attempts.Used, uint32(200))
	require.Len(t, s.calls.Free, int(s.calls.Used), "all came back")
	require.Len(t, s.attempts.Free, int(s.attempts.Used), "all came back")
}

// No event, call or attempt costs an allocation of its own.
func TestRun_DoesNotAllocatePerCall(t *testing.T) {
	allocs := func(d time.Duration) float64 {
		return testing.AllocsPerRun(1, func() {
			_, err := Run(retry.Config{}, Scenario{
				Clients: 10, Load: Load{Rate: 1000}, Duration: d,
				Network: Exponential(10 * time.Millisecond), Faults: []Fault{{To: time.Hour, Fail: .2}},
			})
			require.NoError(t, err)
		})
	}
	require.Less(t, allocs(60*time.Second)-allocs(20*time.Second), 100.0, "for 40,000 calls more")
}

func TestRing_KeepsOrder(t *testing.T) {
	var r ring
	next := uint32(0)
	for i := range uint32(1000) {
		r.push(2 * i)
		r.push(2*i + 1)
		require.Equal(t, next, r.pop())
		next++
	}
	require.Equal(t, 1000, r.len())
}
