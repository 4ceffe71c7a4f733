package experiments

import (
	"time"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/budget"
)

var limits = Experiment{
	Name:   "limits",
	About:  "where does a budget inside each process reach its limits?",
	Source: "design; restart and sparse are what no rule inside one process can hold, and fleet-budget can",
	Setup:  "As outage, 1,000 calls/s in all, but for what the case says.",
	Words: []Word{
		{"sparse", "a call every ten seconds a client"},
		{"restart", "every process is replaced during the first ten seconds"},
		{"server", "the same with ten servers that have a budget.Fleet each"},
		{"slow", "successes take 5 s"},
		{"hang", "no answers, and attempt timeouts of 3 s"},
		{"throttle", "the server says that it is overloaded, instead of failing"},
		{"bursty", "twenty calls at once"},
		{"minute", "a call a minute a client from the outage on, and the load over ten minutes"},
	},
	Params:  []string{"case", "clients"},
	Metrics: []Metric{{"load", "", Times}},
	Run:     runLimits,
}

// limit is a case of outage that is harder than most.
type limit struct {
	name    string
	clients int
	most    float64 // what evenkeel must hold; 0 where no rule can
	strict  float64
	change  func(*fleet.Scenario, *fleet.Fault)
}

func restarts(_ *fleet.Scenario, f *fleet.Fault) { f.Restart = true }
func answers(s *fleet.Scenario, _ *fleet.Fault) {
	s.Answers = fleet.Answers{Budget: &budget.Fleet{}, Servers: 10}
}
func slow(s *fleet.Scenario, _ *fleet.Fault)  { s.Server.Latency = fleet.Constant(5 * time.Second) }
func hangs(_ *fleet.Scenario, f *fleet.Fault) { f.Fail, f.Hang = 0, 1 }
func throttles(_ *fleet.Scenario, f *fleet.Fault) {
	f.Fail, f.Throttle = 0, 1
}
func bursty(s *fleet.Scenario, _ *fleet.Fault) { s.Load.Burst = 20 }
func minute(s *fleet.Scenario, f *fleet.Fault) { f.Load = float64(s.Clients) / 60 / s.Load.Rate }

var hardCases = []limit{
	{"sparse", 10_000, 0, 0, func(*fleet.Scenario, *fleet.Fault) {}},
	{"restart", 1000, 0, 0, restarts},
	{"sparse, server", 10_000, 1.02, 1.02, answers},
	{"restart, server", 1000, 1.02, 1.02, func(s *fleet.Scenario, f *fleet.Fault) { restarts(s, f); answers(s, f) }},
	{"slow", 100, 1.21, 1.11, slow},
	{"slow", 1000, 1.21, 1.11, slow},
	{"hang", 100, 1.03, 1.03, hangs},
	{"hang", 1000, 1.21, 1.11, hangs},
	{"throttle", 100, 1.03, 1.03, throttles},
	{"throttle", 1000, 1.21, 1.11, throttles},
	{"bursty", 100, 1.21, 1.11, bursty},
	{"minute", 100, 1.5, 1.5, minute},
}

func runLimits(o Options) ([]Row, error) {
	policies := o.Policies(size(o,
		[]string{"brooker-success", "grpc", "aws-2026", "evenkeel", "evenkeel-strict"},
		[]string{"evenkeel", "evenkeel-strict"},
	)...)
	n := len(hardCases)
	return o.Each(len(policies)*n, func(i int) (Row, error) {
		policy, c := policies[i/n], hardCases[i%n]
		load, err := c.load(policy, o)
		row := Row{
			Policy:  policy.Name,
			Params:  map[string]any{"case": c.name, "clients": c.clients},
			Metrics: map[string]*float64{"load": Value(load)},
		}
		most := map[string]float64{"evenkeel": c.most, "evenkeel-strict": c.strict}[policy.Name]
		if most > 0 {
			row.Bars = map[string]Bar{"load": {AtMost: most}}
		}
		return row, err
	})
}

func (c limit) load(policy Policy, o Options) (float64, error) {
	s := brookerFleet(c.clients, 1000)
	s.Seed = o.SeedFor(policy.Name, c.name, c.clients)
	fault := fleet.Fault{From: outageAfter, To: outageAfter + outageLasts, Fail: 1}
	window := outageLasts
	if c.name == "minute" {
		window = 10 * time.Minute
		fault.To = outageAfter + window
	}
	c.change(&s, &fault)
	after := fleet.Fault{From: fault.To, To: fault.To + time.Hour} // the last calls meet the same
	after.Fail, after.Hang, after.Throttle = fault.Fail, fault.Hang, fault.Throttle
	s.Faults = []fleet.Fault{fault, after}
	s.Duration = outageAfter + window
	r, err := fleet.Run(policy.timeout(longest(c.name)).Config, s)
	if err != nil {
		return 0, err
	}
	return r.Between(outageAfter, outageAfter+window).Load(), nil
}

// longest returns the attempt timeout of a case.
func longest(name string) time.Duration {
	if name == "hang" {
		return 3 * time.Second
	}
	return time.Minute
}
