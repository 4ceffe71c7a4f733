package fleet_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// Who writes the longest duration there is means never, and gets that: not a sum that wraps around
// to at once.
func TestDuration_LongestIsNever(t *testing.T) {
	const longest = time.Duration(math.MaxInt64)
	always := func(f fleet.Fault) []fleet.Fault { f.To = longest; return []fleet.Fault{f} }
	for name, c := range map[string]struct {
		scenario fleet.Scenario
		works    bool
	}{
		"deadline":           {fleet.Scenario{Deadline: longest}, true},
		"drain":              {fleet.Scenario{Drain: longest}, true},
		"fault":              {fleet.Scenario{Faults: always(fleet.Fault{Fail: 1})}, false},
		"later fault":        {fleet.Scenario{Faults: []fleet.Fault{{From: longest - 1, To: longest, Fail: 1}}}, true},
		"slow":               {fleet.Scenario{Faults: always(fleet.Fault{Slow: longest})}, false},
		"slow twice":         {fleet.Scenario{Faults: append(always(fleet.Fault{Slow: longest}), always(fleet.Fault{Slow: longest})...)}, false},
		"latency":            {fleet.Scenario{Server: fleet.Server{Latency: fleet.Constant(longest)}}, false},
		"network":            {fleet.Scenario{Network: fleet.Constant(longest)}, false},
		"latency and slow":   {fleet.Scenario{Server: fleet.Server{Latency: fleet.Constant(longest)}, Faults: always(fleet.Fault{Slow: longest})}, false},
		"slowdown":           {fleet.Scenario{Server: fleet.Server{Slowdown: longest}}, false},
		"next to no rate":    {fleet.Scenario{Server: fleet.Server{Rate: 1e-300}}, false},
		"it, and it drops":   {fleet.Scenario{Server: fleet.Server{Rate: 1e-300, Drops: true}, Deadline: longest}, false},
		"a rate all but cut": {fleet.Scenario{Server: fleet.Server{Rate: 1e-5}, Faults: always(fleet.Fault{Cut: 1 - 1e-15})}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.scenario
			s.Load, s.Duration = fleet.Load{Rate: 10, Periodic: true}, 10*time.Second
			r, err := fleet.Run(retry.Config{AttemptTimeout: timeout.Fixed(time.Second)}, s)
			require.NoError(t, err)
			require.InDelta(t, 100, r.Calls, 1)
			if c.works {
				require.Equal(t, 1., r.Success())
			} else {
				require.Zero(t, r.Success())
			}
		})
	}
}

func TestDelay_TooLongIsNever(t *testing.T) {
	const longest = time.Duration(math.MaxInt64)
	random := rand.New(rand.NewPCG(1, 2))
	for name, d := range map[string]fleet.Delay{
		"exponential": fleet.Exponential(longest),
		"lognormal":   fleet.Lognormal(longest, longest),
		"stragglers":  fleet.Stragglers(fleet.Constant(time.Second), 1, 1e30),
		"uniform":     fleet.Uniform(-1, longest),
	} {
		never := 0
		for range 1000 {
			if d.Sample(random) > 365*24*time.Hour {
				never++
			}
		}
		require.Greater(t, never, 490, name)
	}
	require.Zero(t, fleet.Lognormal(0, 0).Sample(random))
}

func TestScenario_BoundsBurst(t *testing.T) {
	err := fleet.Scenario{Clients: 3, Load: fleet.Load{Rate: 10, Burst: math.MaxInt / 2}}.Validate()
	require.ErrorContains(t, err, "Load.Burst: must be between 0 (one) and 16777216")
	err = fleet.Scenario{Load: fleet.Load{Rate: 10, Burst: 2, Loop: fleet.AtOnce}}.Validate()
	require.ErrorContains(t, err, "Load.Burst: must be 0 or 1 with Load.Loop", "each call that ends would be followed by two")
}

// The others go on while a call waits for ever.
func TestRun_EndlessWaitEndsNothing(t *testing.T) {
	forever := backoff.Constant(math.MaxInt64)
	r, err := fleet.Run(retry.Config{Backoff: forever, ThrottledBackoff: forever}, fleet.Scenario{
		Load: fleet.Load{Rate: 10, Periodic: true}, Duration: time.Minute, Server: fleet.Server{Rate: 5, Queue: 1},
	})
	require.NoError(t, err)
	require.Equal(t, 600, r.Calls)
	require.Equal(t, r.Calls, r.Attempts)
	require.InDelta(t, 300, r.Succeeded, 2)
}

// Nobody waits for it in bins of a tenth of a second.
func TestRun_DoesNotAwaitEndlessAnswer(t *testing.T) {
	r, err := fleet.Run(retry.Config{}, fleet.Scenario{
		Load: fleet.Load{Rate: 10}, Duration: 10 * time.Second, Drain: math.MaxInt64,
		Server: fleet.Server{Latency: fleet.Constant(math.MaxInt64)},
	})
	require.NoError(t, err)
	require.Less(t, len(r.Series), 1000)
	require.Zero(t, r.Success())
}

func TestRun_TinyLoadIsNone(t *testing.T) {
	r, err := fleet.Run(retry.Config{}, fleet.Scenario{Load: fleet.Load{Rate: 1e-300}})
	require.NoError(t, err)
	require.Zero(t, r.Calls)

	lull := []fleet.Fault{{From: 2 * time.Second, To: 3 * time.Second, Load: 1e-300}}
	r, err = fleet.Run(retry.Config{}, fleet.Scenario{
		Load: fleet.Load{Rate: 10, Periodic: true}, Duration: 5 * time.Second, Faults: lull,
	})
	require.NoError(t, err)
	require.InDelta(t, 40, r.Calls, 1)
	require.Zero(t, r.Between(2*time.Second, 3*time.Second).Calls)
}

// A fault that never ends needs a Duration, and nobody survives it.
func TestFault_Endless(t *testing.T) {
	s := fleet.Scenario{Load: fleet.Load{Rate: 10}, Faults: []fleet.Fault{{From: time.Second, To: math.MaxInt64, Fail: 1}}}
	_, err := fleet.Run(retry.Config{}, s)
	require.ErrorContains(t, err, "Duration: must be set")
	_, err = fleet.Try(retry.Config{}, s)
	require.ErrorContains(t, err, "Duration: must be set")

	s.Duration = 30 * time.Second
	_, err = fleet.Try(retry.Config{}, s)
	require.ErrorIs(t, err, fleet.ErrHopeless)
}

func TestSeries_OutsideRunIsEmpty(t *testing.T) {
	r, err := fleet.Run(retry.Config{}, fleet.Scenario{Load: fleet.Load{Rate: 10}, Duration: 20 * time.Second})
	require.NoError(t, err)
	const early, late = time.Duration(math.MinInt64), time.Duration(math.MaxInt64)
	require.Equal(t, r.Calls, r.Between(early, late).Calls)
	require.Zero(t, r.Between(early, -time.Hour).Calls)
	require.Zero(t, r.Between(time.Hour, late).Calls)
	require.Zero(t, r.Between(10*time.Second, time.Second).Calls)
	require.GreaterOrEqual(t, r.Peak(early, late), 1.)
	require.Zero(t, r.Peak(time.Hour, late))
	_, ok := r.Recovered(-time.Hour, late)
	require.True(t, ok)
}
