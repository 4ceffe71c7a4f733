package fleet_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// stopped returns the example of "Metastable Failures in Distributed Systems": a server near its
// capacity stops for ten seconds.
func stopped() fleet.Scenario {
	return fleet.Scenario{
		Clients: 10,
		Load:    fleet.Load{Rate: 250},
		Server:  fleet.Server{Rate: 300},
		Faults:  []fleet.Fault{{From: 10 * time.Second, To: 20 * time.Second, Cut: 1}},
	}
}

var (
	calm  = retry.Config{AttemptTimeout: timeout.Fixed(time.Second)}
	naive = retry.Config{
		MaxAttempts: 2, Backoff: backoff.None(), Budget: budget.Unlimited{}, AttemptTimeout: timeout.Fixed(time.Second),
	}
)

// recorder is a TB that remembers.
type recorder struct{ errors, fatals []string }

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatals = append(r.fatals, fmt.Sprintf(format, args...))
}

func TestSurvives_DefaultPolicy(t *testing.T) {
	fleet.Survives(t, calm, stopped())
}

func TestSurvives_NaivePolicyFailsWithReason(t *testing.T) {
	var r recorder
	fleet.Survives(&r, naive, stopped())
	require.Empty(t, r.fatals)
	require.Len(t, r.errors, 1)
	require.Contains(t, r.errors[0], "goodput is not back 5m0s after the last fault")
	require.Regexp(t, `amplification 2\.\d\d attempts per call, lost \d+ calls, recovery never`, r.errors[0])
	require.Regexp(t, `largest trigger survived: \d+(\.\d+)?m?s of 10s`, r.errors[0])
}

func TestSurvives_LargestTriggerIsLimit(t *testing.T) {
	share, err := fleet.LargestTrigger(naive, stopped())
	require.NoError(t, err)
	// The backlog of a stop longer than about a second makes every call time out, and each is sent
	// twice: 500 attempts a second for a server of 300.
	require.Greater(t, share, 0.0)
	require.Less(t, share, 0.3)
	for _, c := range []struct {
		share    float64
		survives bool
	}{{share, true}, {share + .02, false}} {
		s := stopped()
		s.Faults[0].To = s.Faults[0].From + time.Duration(c.share*float64(10*time.Second))
		v, err := fleet.Try(naive, s)
		require.NoError(t, err)
		require.Equal(t, c.survives, v.Survived(), "%+v", v)
	}
	whole, err := fleet.LargestTrigger(calm, stopped())
	require.NoError(t, err)
	require.Equal(t, 1.0, whole)
}

func TestSurvives_Bounds(t *testing.T) {
	for name, c := range map[string]struct {
		survival fleet.Survival
		says     string
	}{
		"recovery": {fleet.Survival{Recovery: time.Second}, "goodput is back only"},
		"load":     {fleet.Survival{Load: 1.0001}, "must be at most 1.00"},
		"lost":     {fleet.Survival{Lost: 1}, "calls lost, must be at most 1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := stopped()
			s.Survival = c.survival
			v, err := fleet.Try(calm, s)
			require.NoError(t, err)
			require.Len(t, v.Faults, 1)
			require.Contains(t, v.Faults[0], c.says)
		})
	}
}

func TestSurvives_HopelessScenarioIsError(t *testing.T) {
	s := stopped()
	s.Load.Rate = 400
	_, err := fleet.Try(calm, s)
	require.ErrorIs(t, err, fleet.ErrHopeless)

	s.Faults = nil
	var r recorder
	fleet.Survives(&r, calm, s)
	require.Len(t, r.fatals, 1)
	require.Contains(t, r.fatals[0], "nothing to survive")
}

// A service that retries is part of what is tried, and not of what nobody retrying would come to.
func TestSurvives_BaselineHasNoRetries(t *testing.T) {
	at := timeout.Fixed(time.Second)
	s := fleet.Scenario{
		Clients: 10, Load: fleet.Load{Rate: 280}, Server: fleet.Server{Rate: 300},
		Faults:   []fleet.Fault{{From: 20 * time.Second, To: 30 * time.Second, Cut: 1}},
		Services: []fleet.Service{{Policy: &retry.Config{AttemptTimeout: at, Budget: budget.Unlimited{}, MaxAttempts: 4}}},
	}
	v, err := fleet.Try(retry.Config{AttemptTimeout: timeout.Fixed(5 * time.Second)}, s)
	require.NoError(t, err)
	require.False(t, v.Survived())
	require.Equal(t, 4, s.Services[0].Policy.MaxAttempts, "the caller's own")
}

func TestTry_NamesEveryMistake(t *testing.T) {
	s := fleet.Scenario{Load: fleet.Load{Rate: 1}, Faults: []fleet.Fault{{To: time.Second, Cut: 1}}}
	_, err := fleet.Try(retry.Config{MaxAttempts: -7, MaxHint: -1, Hedge: timeout.Fixed(-1)}, s)
	for _, field := range []string{"MaxAttempts: ", "MaxHint: ", "Hedge: "} {
		require.ErrorContains(t, err, field)
	}
	s.Clients, s.Services = -1, []fleet.Service{{Policy: &retry.Config{MaxAttempts: -9}}}
	require.ErrorContains(t, s.Validate(), "Clients: ")
	require.ErrorContains(t, s.Validate(), "Services[0].Policy: ")
}
