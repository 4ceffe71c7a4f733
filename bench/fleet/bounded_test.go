package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// lavish is a user's own budget that refuses nothing.
type lavish struct{}

func (lavish) Validate() error                               { return nil }
func (l lavish) New() budget.Budget                          { return l }
func (lavish) Begin(time.Time) budget.Permit                 { return 0 }
func (lavish) End(time.Time, budget.Permit, budget.Evidence) {}
func (lavish) Admit(time.Time, budget.Kind, budget.Evidence, budget.Permit) (budget.Permit, bool) {
	return 0, true
}

// endless sends a call that fails again for ever, at once.
func endless() retry.Config {
	return retry.Config{MaxAttempts: retry.Unlimited, Backoff: backoff.None(), Budget: budget.Unlimited{}}
}

func TestBounded_NamesMissingFields(t *testing.T) {
	for name, change := range map[string]func(*retry.Config){
		"none":                  func(*retry.Config) {},
		"a billion attempts":    func(c *retry.Config) { c.MaxAttempts = 1e9 },
		"nanoseconds":           func(c *retry.Config) { c.Backoff = backoff.Constant(5) },
		"jittered nanoseconds":  func(c *retry.Config) { c.Backoff = backoff.FullJitter(1, 900*time.Microsecond) },
		"a shared budget":       func(c *retry.Config) { c.Budget = budget.Shared(budget.Unlimited{}.New()) },
		"a pointer to a budget": func(c *retry.Config) { c.Budget = &budget.Unlimited{} },
		"only first attempts":   func(c *retry.Config) { c.Budget = budget.ClientThrottle{Retries: budget.Unlimited{}} },
		"a user's budget":       func(c *retry.Config) { c.Budget = lavish{} },
	} {
		t.Run(name, func(t *testing.T) {
			c := endless()
			change(&c)
			for _, field := range []string{"Backoff: ", "MaxAttempts", "Budget"} {
				require.ErrorContains(t, fleet.Bounded(c), field)
			}
			require.NotContains(t, fleet.Bounded(c).Error(), "ThrottledBackoff")
		})
	}
	require.ErrorContains(t, fleet.Bounded(retry.Config{Budget: (*budget.Adaptive)(nil), MaxAttempts: 1e9}), "Budget: ")
	throttled := endless()
	throttled.Backoff, throttled.ThrottledBackoff = nil, backoff.None()
	require.ErrorContains(t, fleet.Bounded(throttled), "ThrottledBackoff: ")
	hedged := endless()
	hedged.Backoff, hedged.Hedge = nil, timeout.Fixed(1)
	require.ErrorContains(t, fleet.Bounded(hedged), "Hedge: ")
}

func TestBounded_OneLimitOrWaitIsEnough(t *testing.T) {
	for name, change := range map[string]func(*retry.Config){
		"attempts":     func(c *retry.Config) { c.MaxAttempts = 0 },
		"many":         func(c *retry.Config) { c.MaxAttempts = 999 },
		"a wait":       func(c *retry.Config) { c.Backoff = backoff.Constant(time.Millisecond) },
		"a wait later": func(c *retry.Config) { c.Backoff = backoff.FullJitter(1, time.Second) },
		"tokens":       func(c *retry.Config) { c.Budget = budget.TokenBucket{} },
		"the default":  func(c *retry.Config) { c.Budget = nil },
		"a quota":      func(c *retry.Config) { c.Budget = budget.AWS{} },
		"a throttle":   func(c *retry.Config) { c.Budget = budget.ClientThrottle{} },
		"in flight":    func(c *retry.Config) { c.Budget = budget.Concurrency{} },
	} {
		c := endless()
		change(&c)
		require.NoError(t, fleet.Bounded(c), name)
	}
}

func TestBounded_DoesNotSpendSharedBudget(t *testing.T) {
	b := budget.TokenBucket{}.New()
	c := endless()
	c.Budget = budget.Shared(b)
	require.NoError(t, fleet.Bounded(c))
	require.Equal(t, 1.0, b.(budget.Leveler).Level())
}

// It took eight minutes of computing to say that the run does not end.
func TestRun_RefusesUnboundedPolicy(t *testing.T) {
	network := stopped()
	network.Network = fleet.Constant(10 * time.Millisecond)
	long := network
	long.Deadline = time.Hour
	instant := stopped()
	instant.Deadline = time.Second
	for name, s := range map[string]fleet.Scenario{
		"no network": stopped(), "network": network, "a long deadline": long, "a deadline without network": instant,
	} {
		t.Run(name, func(t *testing.T) {
			var r recorder
			fleet.Survives(&r, endless(), s)
			require.Len(t, r.fatals, 1)
			require.Contains(t, r.fatals[0], "without limit or wait: Backoff: ")
			_, err := fleet.Run(endless(), s)
			require.ErrorContains(t, err, "Backoff: ")
			_, err = fleet.LargestTrigger(endless(), s)
			require.ErrorContains(t, err, "Backoff: ")

			own := endless()
			s.Services = []fleet.Service{{}, {Policy: &own}}
			_, err = fleet.Run(calm, s)
			require.ErrorContains(t, err, "Services[1].Policy.Backoff: ")
		})
	}
	timely := network
	timely.Deadline, timely.Duration = 100*time.Millisecond, 11*time.Second
	_, err := fleet.Run(endless(), timely)
	require.NoError(t, err, "the deadline ends each call")
}

func TestRun_StopsPolicyWithoutProgress(t *testing.T) {
	s := fleet.Scenario{Clients: 1000, Load: fleet.Load{Rate: 1000}, Faults: []fleet.Fault{{To: time.Hour, Fail: 1}}}
	c := endless()
	c.Budget = budget.Concurrency{}
	_, err := fleet.Run(c, s)
	require.ErrorIs(t, err, fleet.ErrRunaway)
}
