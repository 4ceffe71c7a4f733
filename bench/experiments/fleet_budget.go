package experiments

import (
	"time"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/budget"
)

var fleetBudget = Experiment{
	Name:   "fleet-budget",
	About:  "what does a retry budget at the servers cost and give, for clients that live for one call?",
	Source: "design; limits has the same without it",
	Setup: "10,000 clients of one call in ten seconds (1,000/s in all), legs exponential with mean 10 ms, three attempts, immediate " +
		"retries. Outage: healthy for 30 s, then every attempt fails; its first ten seconds. Random: 10 % fail, 60 s. Three runs.",
	Words: []Word{
		{"servers", "processes that answer, each with a budget.Fleet of its own; 0: without"},
		{"memoryless", "clients without a budget"},
	},
	Params:  []string{"case", "servers"},
	Metrics: []Metric{{"success", "success, %", Percent}, {"load", "", Times}},
	Run:     runFleetBudget,
}

var (
	fleetBudgetServers = []int{0, 1, 10, 100}
	fleetBudgetCases   = []string{"outage", "random"}
)

func runFleetBudget(o Options) ([]Row, error) {
	policies := append([]Policy{atOnce("memoryless", 3, budget.Unlimited{})}, o.Policies("evenkeel")...)
	n, m := len(fleetBudgetServers), len(fleetBudgetCases)
	return o.Each(len(policies)*n*m, func(i int) (Row, error) {
		policy, servers, name := policies[i/(n*m)], fleetBudgetServers[i/m%n], fleetBudgetCases[i%m]
		success, load, err := fleetBudgetRun(o, policy, name, servers)
		row := Row{
			Policy:  policy.Name,
			Params:  map[string]any{"case": name, "servers": servers},
			Metrics: map[string]*float64{"success": Value(success), "load": Value(load)},
		}
		switch {
		case servers == 0 || policy.user:
		case name == "outage":
			row.Bars = map[string]Bar{"load": {AtMost: 1.02}}
		default:
			row.Bars = map[string]Bar{"success": {AtLeast: .988}, "load": {AtMost: 1.12}}
		}
		return row, err
	})
}

// fleetBudgetRun returns means of several runs.
func fleetBudgetRun(o Options, policy Policy, name string, servers int) (success, load float64, err error) {
	runs := size(o, 3, 1)
	for run := range runs {
		s := brookerFleet(10_000, 1000)
		s.Seed = o.SeedFor(policy.Name, name, servers, run)
		s.Answers = fleet.Answers{Servers: servers}
		if servers > 0 {
			s.Answers.Budget = &budget.Fleet{}
		}
		from, to := outageAfter, outageAfter+outageLasts
		s.Faults = []fleet.Fault{{From: from, To: time.Hour, Fail: 1}}
		if name == "random" {
			from, to = 0, time.Minute
			s.Faults = []fleet.Fault{{To: time.Hour, Fail: .1}}
		}
		s.Duration = to
		r, err := fleet.Run(policy.Config, s)
		if err != nil {
			return 0, 0, err
		}
		window := r.Between(from, to)
		success += window.Success() / float64(runs)
		load += window.Load() / float64(runs)
	}
	return success, load, nil
}
