package fleet_test

import (
	"fmt"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// What does a total outage cost, with evenkeel's default and with three retries each?
func ExampleRun() {
	outage := fleet.Scenario{
		Clients:  100,
		Load:     fleet.Load{Rate: 1000},
		Network:  fleet.Exponential(10 * time.Millisecond),
		Faults:   []fleet.Fault{{From: 30 * time.Second, To: 40 * time.Second, Fail: 1}},
		Duration: 40 * time.Second,
	}
	naive := retry.Config{MaxAttempts: 4, Budget: budget.Unlimited{}}
	for _, policy := range []retry.Config{naive, {}} {
		r, err := fleet.Run(policy, outage)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%.1f attempts per call\n", r.Between(30*time.Second, 40*time.Second).Load())
	}
	// Output:
	// 4.0 attempts per call
	// 1.0 attempts per call
}

// One retry after a timeout is enough to turn a stop of ten seconds into an outage that never ends
// by itself.
func ExampleTry() {
	policy := retry.Config{
		MaxAttempts:    2,
		Backoff:        backoff.None(),
		Budget:         budget.Unlimited{},
		AttemptTimeout: timeout.Fixed(time.Second),
	}
	scenario := fleet.Scenario{
		Clients: 10,
		Load:    fleet.Load{Rate: 200},
		Server:  fleet.Server{Rate: 300},
		Faults:  []fleet.Fault{{From: 10 * time.Second, To: 20 * time.Second, Cut: 1}},
	}
	v, err := fleet.Try(policy, scenario)
	if err != nil {
		panic(err)
	}
	fmt.Println("never recovers:", !v.Recovered)

	policy.Budget = budget.Adaptive{}
	v, err = fleet.Try(policy, scenario)
	if err != nil {
		panic(err)
	}
	fmt.Println("survives with a budget:", v.Survived())
	// Output:
	// never recovers: true
	// survives with a budget: true
}
