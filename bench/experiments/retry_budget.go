package experiments

import (
	"slices"
	"time"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
)

var retryBudget = Experiment{
	Name:    "retry-budget",
	About:   "what does a retry budget cost and give when every attempt fails with probability p?",
	Source:  `Marc Brooker, "Fixing retries with token buckets and circuit breakers" (2022); its model, other budgets`,
	Setup:   "100 clients of 10 calls/s (Poisson), legs exponential with mean 10 ms, immediate retries, 60 s.",
	Words:   []Word{{"p", "the share of attempts that fail"}},
	Params:  []string{"p"},
	Metrics: []Metric{{"success", "success, %", Percent}, {"load", "", Times}},
	Pivot:   "p",
	Run:     runRetryBudget,
}

var budgetProbabilities = []float64{.01, .05, .1, .2, .3, .5, .75, 1}

// publishedBudgets has success and load in percent, for each of budgetProbabilities.
var publishedBudgets = map[string][][2]float64{
	"none": {
		{99.0, 100}, {95.0, 100}, {90.0, 100}, {79.8, 100}, {69.9, 100}, {49.9, 100}, {25.2, 100}, {0, 100},
	},
	"retries-3": {
		{100, 101}, {100, 105}, {99.99, 111}, {99.8, 125}, {99.2, 142}, {93.8, 188}, {68.5, 273}, {0, 400},
	},
	"brooker": {
		{100, 101}, {99.98, 105}, {98.7, 109}, {88.2, 111}, {77.5, 111}, {55.3, 111}, {27.5, 111}, {0, 111},
	},
	"brooker-success": {
		{100, 101}, {99.97, 105}, {98.3, 109}, {87.3, 109}, {75.8, 108}, {53.1, 106}, {26.0, 103}, {0, 101},
	},
	"grpc": {
		{100, 101}, {99.95, 105}, {94.0, 105}, {80.9, 101}, {70.6, 101}, {50.5, 101}, {25.3, 101}, {0, 101},
	},
	"aws": {
		{100, 101}, {99.99, 105}, {99.9, 111}, {99.1, 124}, {97.2, 139}, {83.4, 166}, {32.6, 131}, {0, 117},
	},
	"aws-2026": {
		{100, 101}, {99.99, 105}, {99.9, 111}, {99.1, 124}, {94.0, 135}, {59.6, 119}, {27.7, 110}, {0, 106},
	},
	"finagle": {
		{100, 101}, {100, 105}, {99.99, 111}, {99.8, 125}, {99.2, 142}, {93.9, 187}, {54.5, 219}, {0, 220},
	},
	"finagle-0": {
		{99.99, 101}, {99.96, 105}, {99.8, 111}, {93.8, 118}, {83.1, 119}, {59.5, 119}, {29.9, 120}, {0, 120},
	},
	"envoy": {
		{100, 101}, {100, 105}, {99.99, 111}, {99.8, 125}, {99.2, 142}, {93.9, 187}, {68.2, 272}, {0, 394},
	},
	"sre": {
		{100, 101}, {99.96, 105}, {99.2, 110}, {88.8, 111}, {77.9, 111}, {55.4, 111}, {28.3, 111}, {0, 111},
	},
}

// brookerFleet returns the model of retry-budget and outage.
func brookerFleet(clients int, rate float64) fleet.Scenario {
	return fleet.Scenario{
		Clients: clients,
		Load:    fleet.Load{Rate: rate},
		Network: fleet.Exponential(10 * time.Millisecond),
	}
}

func runRetryBudget(o Options) ([]Row, error) {
	policies := slices.Concat(named, o.User)
	ps := budgetProbabilities
	return o.Each(len(policies)*len(ps), func(i int) (Row, error) {
		policy, p := policies[i/len(ps)], ps[i%len(ps)]
		r, err := steadyFailures(o, policy, p)
		if err != nil {
			return Row{}, err
		}
		row := Row{
			Policy:  policy.Name,
			Params:  map[string]any{"p": p},
			Metrics: map[string]*float64{"success": Value(r.Success()), "load": Value(r.Load())},
			Bars:    budgetBars(policy.Name, p),
		}
		if published, ok := publishedBudgets[policy.Name]; ok {
			row.publish("success", published[i%len(ps)][0]/100, points(1.5))
			row.publish("load", published[i%len(ps)][1]/100, points(1.5))
		}
		return row, nil
	})
}

// steadyFailures simulates a minute in which every attempt fails with probability p.
func steadyFailures(o Options, policy Policy, p float64) (*fleet.Result, error) {
	clients := size(o, 100, 25) // not for less time: some budgets start with a reserve of minutes
	s := brookerFleet(clients, 10*float64(clients))
	s.Duration = time.Minute
	s.Faults = []fleet.Fault{{To: time.Hour, Fail: p}}
	s.Seed = o.SeedFor(policy.Name, p)
	return fleet.Run(policy.Config, s)
}

// budgetBars returns the limits of evenkeel's own budgets in this table.
func budgetBars(policy string, p float64) map[string]Bar {
	success := map[string]map[float64]float64{
		"evenkeel":        {.01: .9998, .1: .997},
		"evenkeel-strict": {.1: .99},
	}
	if success[policy] == nil {
		return nil
	}
	bars := map[string]Bar{"load": {AtMost: min(1+p+p*p+.01, 1.3)}} // three attempts of those that help
	if least := success[policy][p]; least > 0 {
		bars["success"] = Bar{AtLeast: least}
	}
	return bars
}
