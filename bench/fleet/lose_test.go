package fleet_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
)

// cut returns a fleet with about a hundred attempts under way, and a fault that loses them at ten
// seconds.
func cut(f fleet.Fault) fleet.Scenario {
	f.From, f.To = 10*time.Second, max(f.To, 10*time.Second+1)
	return fleet.Scenario{
		Clients: 10, Load: fleet.Load{Rate: 100, Periodic: true}, Server: fleet.Server{Latency: fleet.Constant(time.Second)},
		Faults: []fleet.Fault{f}, Duration: 20 * time.Second, Seed: 1,
	}
}

func TestLose_LosesCallsInFlight(t *testing.T) {
	once := unlimited(1)
	for name, c := range map[string]struct {
		fault  fleet.Fault
		change func(*fleet.Scenario)
		lost   float64
	}{
		"once":             {fault: fleet.Fault{Lose: time.Hour}, lost: 100},
		"an endless wait":  {fault: fleet.Fault{Lose: math.MaxInt64, To: math.MaxInt64}, lost: 100},
		"again and again":  {fault: fleet.Fault{Lose: 2 * time.Second, To: 16 * time.Second}, lost: 300},
		"one replica's":    {fault: fleet.Fault{Lose: time.Hour, Replica: 2}, change: func(s *fleet.Scenario) { s.Replicas.N = 2 }, lost: 50},
		"none of it hangs": {fault: fleet.Fault{Lose: time.Hour, Hang: 1, To: 11 * time.Second}, lost: 200},
	} {
		t.Run(name, func(t *testing.T) {
			s := cut(c.fault)
			if c.change != nil {
				c.change(&s)
			}
			s.Deadline = 5 * time.Second
			r := run(t, once, s)
			require.InEpsilon(t, c.lost, r.Lost(), .2)
			ended := r.Between(0, always)
			require.Equal(t, r.Calls, ended.Good+ended.Bad)
		})
	}
}

func TestLose_CallersSeeItAtOnce(t *testing.T) {
	r := run(t, retry.Config{}, cut(fleet.Fault{Lose: time.Hour}))
	require.Zero(t, r.Lost(), "the default budget resends what was lost with a connection")
	again := r.Between(10*time.Second, 10500*time.Millisecond)
	require.Greater(t, again.Sent, 50+75, "those that would have been answered within the next second")
	require.InEpsilon(t, float64(r.Calls+100), r.Attempts, .02, "each of them once more")

	require.Greater(t, run(t, retry.Config{Budget: budget.GRPC{}}, cut(fleet.Fault{Lose: time.Hour})).Lost(), 20)
}

func TestLose_Validated(t *testing.T) {
	for _, d := range []time.Duration{-1, 1, time.Millisecond - 1} {
		require.ErrorContains(t, cut(fleet.Fault{Lose: d}).Validate(), "Faults[0].Lose: must be 0 (never) or at least 1ms, not "+d.String())
	}
}

func TestWatch_MatchesRun(t *testing.T) {
	s := cut(fleet.Fault{Fail: 1, To: 12 * time.Second})
	want := run(t, retry.Config{}, s)
	var sum fleet.Point
	seconds := 0
	got, err := fleet.Watch(retry.Config{}, s, func(second int, p fleet.Point) error {
		require.Equal(t, seconds, second)
		from := time.Duration(second) * time.Second
		final := want.Between(from, from+time.Second)
		require.Equal(t, []int{final.Calls, final.Sent, final.Good, final.Bad}, []int{p.Calls, p.Sent, p.Good, p.Bad}, "second %d", second)
		sum.Calls, sum.Sent = sum.Calls+p.Calls, sum.Sent+p.Sent
		seconds++
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, want, got, "who watches changes nothing")
	require.Equal(t, want.Calls, sum.Calls)
	require.Equal(t, want.Attempts, sum.Sent)
	require.GreaterOrEqual(t, seconds, 21)
}

func TestWatch_ErrorEndsRun(t *testing.T) {
	enough := errors.New("enough")
	seen := 0
	r, err := fleet.Watch(retry.Config{}, cut(fleet.Fault{Fail: 1}), func(second int, _ fleet.Point) error {
		seen++
		if second == 4 {
			return enough
		}
		return nil
	})
	require.ErrorIs(t, err, enough)
	require.Nil(t, r)
	require.Equal(t, 5, seen)
}
