package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/budget"
)

func TestServer_NoRetryWhenBudgetSpent(t *testing.T) {
	s := fleet.Scenario{
		Load: fleet.Load{Rate: 100}, Duration: 10 * time.Second, Answers: fleet.Answers{Budget: &budget.Fleet{Open: 5}, Servers: 2},
		Faults: []fleet.Fault{{To: always, Fail: 1}},
	}
	r := run(t, unlimited(2), s)
	require.LessOrEqual(t, r.Attempts, r.Calls+10)
	require.Greater(t, r.Attempts, r.Calls)
	require.Zero(t, r.Succeeded)
	s.Faults[0].Fail = .1
	require.Greater(t, run(t, unlimited(3), s).Success(), .98)
}

// An attempt that is never answered is not in hand for ever: the server's budget would take its
// failures for few.
func TestServer_BudgetForgetsUnanswered(t *testing.T) {
	s := fleet.Scenario{
		Load: fleet.Load{Rate: 100}, Duration: 20 * time.Second, Deadline: time.Second,
		Answers: fleet.Answers{Budget: &budget.Fleet{}},
		Faults:  []fleet.Fault{{To: 10 * time.Second, Hang: 1}, {From: 15 * time.Second, To: always, Fail: 1}},
	}
	r := run(t, unlimited(3), s).Between(15*time.Second, 20*time.Second)
	require.LessOrEqual(t, r.Attempts, r.Calls+2)
}

func TestServer_OverloadRefusesResendsAndLessCritical(t *testing.T) {
	s := fleet.Scenario{
		Clients: 10, Load: fleet.Load{Rate: 200, Top: .2}, Deadline: time.Second, Server: fleet.Server{Rate: 100},
		Duration: 30 * time.Second,
	}
	naive := run(t, unlimited(2), s)
	require.Less(t, naive.Top.Success(), .2)
	s.Answers.Shed = 20
	shedding := run(t, unlimited(2), s)
	require.InDelta(t, .2, float64(shedding.Top.Calls)/float64(shedding.Calls), .02)
	require.Greater(t, shedding.Top.Success(), .99)
	require.InEpsilon(t, 100*30, shedding.Succeeded, .03)
	require.Equal(t, shedding.Calls, shedding.Attempts, "what is refused is not sent again")
}

func TestServer_BudgetValidated(t *testing.T) {
	_, err := fleet.Run(unlimited(2), fleet.Scenario{Load: fleet.Load{Rate: 1}, Answers: fleet.Answers{Budget: &budget.Fleet{Ratio: 2}}})
	require.ErrorContains(t, err, "Answers.Budget.Ratio")
	_, err = fleet.Run(unlimited(2), fleet.Scenario{Load: fleet.Load{Rate: 1}, Answers: fleet.Answers{Servers: -1}})
	require.ErrorContains(t, err, "Answers.Servers")
	_, err = fleet.Run(unlimited(2), fleet.Scenario{Load: fleet.Load{Rate: 1, Top: 2}, Answers: fleet.Answers{Shed: -1}})
	require.ErrorContains(t, err, "Answers.Shed")
	require.ErrorContains(t, err, "Load.Top")
}

func TestClient_LoopCallsInSequence(t *testing.T) {
	s := fleet.Scenario{
		Clients: 10, Load: fleet.Load{Rate: 1000, Loop: fleet.AtOnce}, Server: fleet.Server{Latency: fleet.Constant(99 * time.Millisecond)},
		Faults:   []fleet.Fault{{From: 10 * time.Second, To: 20 * time.Second, Fail: 1}},
		Duration: 30 * time.Second,
	}
	naive := run(t, unlimited(1), s)
	require.InEpsilon(t, 1000, naive.Between(0, 10*time.Second).Calls, .02)
	require.Greater(t, naive.Between(10*time.Second, 20*time.Second).Calls, 50_000)
	s.Load.Loop = fleet.Paced
	paced := run(t, unlimited(1), s)
	require.LessOrEqual(t, paced.Between(10*time.Second, 20*time.Second).Calls, 1100)
	require.InEpsilon(t, 900, paced.Between(21*time.Second, 30*time.Second).Calls, .05)
}
