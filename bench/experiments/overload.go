package experiments

import (
	"time"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/budget"
)

var overload = Experiment{
	Name:   "overload",
	About:  "what does load shedding at the server save when there is more to do than it can?",
	Source: "design; criticality as in the book Site Reliability Engineering, chapter 21",
	Setup: "A server of 300 calls/s, first come, first served, which goes on working for callers that gave up; 100 clients, deadline 1 s, " +
		"legs exponential with mean 10 ms. A fifth of the clients are CRITICAL_PLUS. A minute.",
	Words: []Word{
		{"load", "calls a second over what the server can do"},
		{"naive", "it queues whatever comes"},
		{"shedding", "at most 60 are in flight (200 ms), and it pays for retries"},
		{"memoryless", "clients without a budget"},
	},
	Params:  []string{"load", "server"},
	Metrics: []Metric{{"top", "top success, %", Percent}, {"goodput", "of capacity, %", Percent}},
	Run:     runOverload,
}

const (
	overloadCapacity = 300.0
	overloadInFlight = 60
)

var (
	overloads       = []float64{.8, 1.3, 2}
	overloadServers = []string{"naive", "shedding"}
)

func runOverload(o Options) ([]Row, error) {
	policies := append([]Policy{atOnce("memoryless", 3, budget.Unlimited{})}, o.Policies("none", "evenkeel")...)
	n, m := len(overloads), len(overloadServers)
	return o.Each(len(policies)*n*m, func(i int) (Row, error) {
		policy, load, server := policies[i/(n*m)], overloads[i/m%n], overloadServers[i%m]
		s := brookerFleet(100, load*overloadCapacity)
		s.Load.Top = .2
		s.Deadline = time.Second
		s.Server = fleet.Server{Rate: overloadCapacity}
		s.Duration = time.Minute
		s.Seed = o.SeedFor(policy.Name, load, server)
		if server == "shedding" {
			s.Answers = fleet.Answers{Budget: &budget.Fleet{}, Shed: overloadInFlight}
		}
		r, err := fleet.Run(policy.Config, s)
		if err != nil {
			return Row{}, err
		}
		late := r.Between(30*time.Second, time.Minute) // when the queue has had its time to grow
		row := Row{
			Policy: policy.Name,
			Params: map[string]any{"load": load, "server": server},
			Metrics: map[string]*float64{
				"top": Value(r.Top.Success()), "goodput": Value(float64(late.Good) / overloadCapacity / 30),
			},
		}
		switch {
		case policy.user:
		case server == "shedding":
			row.Bars = map[string]Bar{"top": {AtLeast: .99}, "goodput": {AtLeast: .95 * min(load, 1)}}
		case load > 1:
			row.Bars = map[string]Bar{"goodput": {AtMost: .2}} // it collapses
		}
		return row, nil
	})
}
