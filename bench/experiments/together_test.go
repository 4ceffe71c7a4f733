package experiments

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/retry"
)

// A server that slows down makes every call look like one to hedge: the hedges must not keep it
// from recovering.
func TestHedgesDoNotOverloadAServerThatSlowsDown(t *testing.T) {
	for _, clients := range []int{1, 100} {
		s := fleet.Scenario{
			Clients:  clients,
			Load:     fleet.Load{Rate: 280},
			Deadline: 2 * time.Second,
			Server:   fleet.Server{Rate: 300},
			Faults:   []fleet.Fault{{From: 20 * time.Second, To: 30 * time.Second, Cut: .7}},
			Duration: 5 * time.Minute,
			Seed:     1,
		}
		plain, err := fleet.Run(retry.Config{MaxAttempts: 1}, s)
		require.NoError(t, err)
		hedged, err := fleet.Run(retry.Config{Hedge: fixed(100 * time.Millisecond)}, s)
		require.NoError(t, err)
		before, ok := plain.Recovered(20*time.Second, s.Duration)
		require.True(t, ok)
		after, ok := hedged.Recovered(20*time.Second, s.Duration)
		require.True(t, ok)
		t.Logf("%d clients: back after %v, hedged %v; load %.3f", clients, before, after,
			hedged.Between(20*time.Second, 40*time.Second).Load())
		require.LessOrEqual(t, after, before+before/4+5*time.Second)
		require.LessOrEqual(t, hedged.Between(20*time.Second, 40*time.Second).Load(), 1.1)
	}
}

func TestTogether_TheSameSeedGivesTheSameFigures(t *testing.T) {
	c := burstRows()[0].crowd
	c.seconds = 20
	one, two := gather(policyNamed("evenkeel").Config, c, 7), gather(policyNamed("evenkeel").Config, c, 7)
	require.Equal(t, one, two)
	require.Positive(t, one.requests)
}

func TestTogether_SavesACutConnection(t *testing.T) {
	c := crowd{clients: 1, rate: 50, slow: 1, cuts: 1.7, cutOnce: true, seconds: 10}
	got := gather(policyNamed("evenkeel").Config, c, 1)
	require.Greater(t, got.hit, 30)
	require.Equal(t, got.hit, got.saved)
	none := gather(policyNamed("none").Config, c, 1)
	require.Zero(t, none.saved)
}
