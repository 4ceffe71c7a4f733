package main

import (
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/internal/leak"
	"github.com/evenkeel-go/evenkeel/retry"
)

// The rows say what must hold: at most 1.15 leaf attempts per user request in a total outage with evenkeel at every
// layer, 243 without.
func TestALiveStackHoldsItsBars(t *testing.T) {
	defer leak.Check(t)()
	rows := quickly(t, stackLive, 1)
	require.Len(t, rows, 2*3)
	for _, row := range rows {
		require.Empty(t, row.Off(), row.Label())
		if row.Params["p"] == 1.0 {
			require.Zero(t, *row.Metrics["success"], row.Label())
		}
	}
	compared, _ := agreement(rows)
	require.Equal(t, 6, compared)
	require.Contains(t, rows[5].Bars, "load", "evenkeel p=1")
}

// Three attempts a layer and no budget at all: what keeps five layers at the cost of one is only that each passes "do not
// retry" on, whichever transport it is called by and whichever it calls.
func TestDoNotRetryTravelsUpThroughBothTransports(t *testing.T) {
	defer leak.Check(t)()
	naive := policyNamed("retries-3").attempts(3).Config
	for name, wires := range map[string][]wire{
		"http on top": stackWires,
		"grpc on top": {overGRPC, overHTTP, overGRPC, overHTTP, overGRPC},
		"http alone":  slices.Repeat([]wire{overHTTP}, 5),
		"grpc alone":  slices.Repeat([]wire{overGRPC}, 5),
	} {
		told, err := liveStack{wires: wires, policy: naive, tells: true, percent: 100}.run(20)
		require.NoError(t, err)
		require.Equal(t, 3.0, told.Load(), name)
		require.Zero(t, told.Succeeded, name)
		untold, err := liveStack{wires: wires[2:], policy: naive, percent: 100}.run(5)
		require.NoError(t, err)
		require.Equal(t, 27.0, untold.Load(), "%s: three layers that nobody tells", name)
	}
}

// The zero Config waits before it retries, up to a second after 503.
func TestTheZeroConfigKeepsAStackCalm(t *testing.T) {
	defer leak.Check(t)()
	sum, err := liveStack{wires: stackWires, tells: true, percent: 100}.run(200)
	require.NoError(t, err)
	require.LessOrEqual(t, sum.Load(), 1.15)
	require.GreaterOrEqual(t, sum.Load(), 1.0)
	require.Zero(t, sum.Succeeded)
}

func TestAHealthyStackSendsEachRequestOnce(t *testing.T) {
	defer leak.Check(t)()
	for _, tells := range []bool{false, true} {
		sum, err := liveStack{wires: stackWires, policy: policyNamed("evenkeel").Config, tells: tells}.run(50)
		require.NoError(t, err)
		require.Equal(t, 1.0, sum.Load())
		require.Equal(t, 50, sum.Succeeded)
	}
}

func TestAUsersPolicyIsARowOfStackLive(t *testing.T) {
	mine := Policy{Name: "user:mine", Config: policyNamed("none").Config, user: true}
	o := Options{Seed: 1, User: []Policy{mine}, pool: newPool(runtime.GOMAXPROCS(0)), experiment: "stack-live"}
	rows, err := runStackLive(o, 20)
	require.NoError(t, err)
	require.Len(t, rows, 3*3)
	for _, row := range rows[2*3:] {
		require.Equal(t, "user:mine", row.Policy)
		require.Equal(t, 1.0, *row.Metrics["load"])
		require.Empty(t, row.Bars)
	}
}

func TestAStackWithABadPolicyIsAnError(t *testing.T) {
	defer leak.Check(t)()
	_, err := liveStack{wires: stackWires, policy: retry.Config{MaxAttempts: -5}}.run(1)
	require.ErrorContains(t, err, "MaxAttempts")
}
