package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/outlier"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// replicated returns 30 s of 100 calls a second to three servers of 10 ms.
func replicated(faults ...fleet.Fault) fleet.Scenario {
	return fleet.Scenario{
		Load:     fleet.Load{Rate: 100},
		Server:   fleet.Server{Latency: fleet.Constant(10 * time.Millisecond)},
		Replicas: fleet.Replicas{N: 3, Elsewhere: true, SetAside: &outlier.Config{}},
		Deadline: 10 * time.Second,
		Duration: 30 * time.Second,
		Faults:   faults,
		Seed:     1,
	}
}

func TestReplicas_OneBad(t *testing.T) {
	always := 30 * time.Second
	for name, tc := range map[string]struct {
		fault fleet.Fault
		cfg   retry.Config
	}{
		"down": {fleet.Fault{Fail: 1}, retry.Config{}},
		"hung": {fleet.Fault{Hang: 1}, retry.Config{AttemptTimeout: timeout.Fixed(100 * time.Millisecond)}},
		"slow": {fleet.Fault{Slow: 190 * time.Millisecond}, retry.Config{Hedge: timeout.Fixed(30 * time.Millisecond)}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.fault.Replica, tc.fault.To = 2, always
			with, err := fleet.Run(tc.cfg, replicated(tc.fault))
			require.NoError(t, err)
			assert.GreaterOrEqual(t, with.Success(), .999)
			assert.LessOrEqual(t, with.Load(), 1.05)
			assert.LessOrEqual(t, with.Took(.99), 14*time.Millisecond)

			s := replicated(tc.fault)
			s.Replicas = fleet.Replicas{N: 3}
			without, err := fleet.Run(tc.cfg, s)
			require.NoError(t, err)
			assert.GreaterOrEqual(t, without.Took(.99), 2*with.Took(.99))
		})
	}
}

func TestReplicas_AllFailCostsTheSame(t *testing.T) {
	s := replicated(fleet.Fault{Fail: 1, From: 10 * time.Second, To: 20 * time.Second})
	with, err := fleet.Run(retry.Config{}, s)
	require.NoError(t, err)
	s.Replicas = fleet.Replicas{N: 3}
	without, err := fleet.Run(retry.Config{}, s)
	require.NoError(t, err)
	assert.InDelta(t, without.Attempts, with.Attempts, 10)
}

func TestReplicas_Validate(t *testing.T) {
	for want, s := range map[string]fleet.Scenario{
		"Replicas.N":        {Replicas: fleet.Replicas{N: -1}},
		"Replicas.SetAside": {Replicas: fleet.Replicas{N: 2, SetAside: &outlier.Config{MaxShare: 2}}},
		"Faults[0].Replica": {Faults: []fleet.Fault{{Replica: 2}}},
	} {
		s.Load.Rate = 1
		assert.ErrorContains(t, s.Validate(), want)
	}
	s := replicated(fleet.Fault{Replica: 1, Restart: true})
	assert.ErrorContains(t, s.Validate(), "Faults[0].Replica")
}
