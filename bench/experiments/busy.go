package experiments

import (
	"time"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
)

var busy = Experiment{
	Name:    "busy",
	About:   "does one busy client still get its retries?",
	Source:  "the model of retry-budget, with all calls in one process",
	Setup:   "One client of 1,000 calls/s (Poisson), 10 % of attempts fail, immediate retries, 60 s.",
	Words:   []Word{{"p", "the share of attempts that fail"}},
	Params:  []string{"p"},
	Metrics: []Metric{{"success", "success, %", Percent}, {"load", "", Times}},
	Run:     runBusy,
}

func runBusy(o Options) ([]Row, error) {
	policies := o.Policies("none", "brooker", "brooker-success", "grpc", "aws", "envoy", "evenkeel", "evenkeel-strict")
	return o.Each(len(policies), func(i int) (Row, error) {
		policy := policies[i]
		s := brookerFleet(1, 1000)
		s.Duration = time.Minute
		s.Faults = []fleet.Fault{{To: time.Hour, Fail: .1}}
		s.Seed = o.SeedFor(policy.Name)
		r, err := fleet.Run(policy.Config, s)
		if err != nil {
			return Row{}, err
		}
		row := Row{
			Policy:  policy.Name,
			Params:  map[string]any{"p": .1},
			Metrics: map[string]*float64{"success": Value(r.Success()), "load": Value(r.Load())},
		}
		if policy.Name == "evenkeel" {
			row.Bars = map[string]Bar{"success": {AtLeast: .998}, "load": {AtMost: 1.12}}
		}
		return row, nil
	})
}
