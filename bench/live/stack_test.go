package live

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/leak"
	"github.com/evenkeel-go/evenkeel/retry"
)

// atOnce returns a policy that retries without a wait; with attempts, it has no budget.
func atOnce(attempts int) retry.Config {
	c := retry.Config{MaxAttempts: attempts, Backoff: backoff.None(), ThrottledBackoff: backoff.None()}
	if attempts > 0 {
		c.Budget = budget.Unlimited{}
	}
	return c
}

// Three attempts a layer and no budget at all: what keeps five layers at the cost of one is only
// that each passes "do not retry" on, whichever transport it is called by and whichever it calls.
func TestStack_DoNotRetryPassesBothTransports(t *testing.T) {
	defer leak.Check(t)()
	naive := atOnce(3)
	for name, wires := range map[string][]Wire{
		"http on top": StackWires,
		"grpc on top": {GRPC, HTTP, GRPC, HTTP, GRPC},
		"http alone":  slices.Repeat([]Wire{HTTP}, 5),
		"grpc alone":  slices.Repeat([]Wire{GRPC}, 5),
	} {
		told, err := Stack{Wires: wires, Policy: naive, Tells: true, Percent: 100}.Run(20)
		require.NoError(t, err)
		require.Equal(t, 3.0, told.Load(), name)
		require.Zero(t, told.Succeeded, name)
		untold, err := Stack{Wires: wires[2:], Policy: naive, Percent: 100}.Run(5)
		require.NoError(t, err)
		require.Equal(t, 27.0, untold.Load(), "%s: three layers that nobody tells", name)
	}
}

// The zero Config waits before it retries, up to a second after 503.
func TestStack_ZeroConfigStaysCalm(t *testing.T) {
	defer leak.Check(t)()
	sum, err := Stack{Wires: StackWires, Tells: true, Percent: 100}.Run(200)
	require.NoError(t, err)
	require.LessOrEqual(t, sum.Load(), 1.15)
	require.GreaterOrEqual(t, sum.Load(), 1.0)
	require.Zero(t, sum.Succeeded)
}

func TestStack_HealthySendsOnce(t *testing.T) {
	defer leak.Check(t)()
	for _, tells := range []bool{false, true} {
		sum, err := Stack{Wires: StackWires, Policy: atOnce(0), Tells: tells}.Run(50)
		require.NoError(t, err)
		require.Equal(t, 1.0, sum.Load())
		require.Equal(t, 50, sum.Succeeded)
	}
}

func TestStack_BadPolicyIsError(t *testing.T) {
	defer leak.Check(t)()
	_, err := Stack{Wires: StackWires, Policy: retry.Config{MaxAttempts: -5}}.Run(1)
	require.ErrorContains(t, err, "MaxAttempts")
}
