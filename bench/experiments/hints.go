package experiments

import (
	"time"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/retry"
)

var hints = Experiment{
	Name:   "hints",
	About:  "should a wait that a server asks for hold up the other calls to it?",
	Source: "design: retry.Config.HintScope",
	Setup: "1,000 calls/s, deadline 15 s, the default policy; legs exponential with mean 10 ms. What is turned away is told when to " +
		"come back. A minute, or a fault of 20 s in it.",
	Words: []Word{
		{"case", "quota-1.0, quota-1.5: calls over 1,000 in each second's window, which the server takes; minute-0.9, minute-1.5: the same with " +
			"10,000 in ten seconds; closed: all are turned away for 20 s, and told 5 s; one-in-ten: a tenth is, and told 1 s"},
		{"clients", "processes that the calls come from; each knows only what it was told"},
		{"call, destination", "HintScope: who obeys"},
	},
	Params: []string{"case", "clients"},
	Metrics: []Metric{
		{"load", "attempts per call", Times},
		{"success", "success", Percent},
		{"p50_ms", "p50", Milliseconds},
		{"p99_ms", "p99", Milliseconds},
	},
	Run: runHints,
}

var hintCases = []string{"quota-1.0", "quota-1.5", "minute-0.9", "minute-1.5", "closed", "one-in-ten"}

func runHints(o Options) ([]Row, error) {
	scopes := []Policy{
		{Name: "call", Config: retry.Config{}}, {Name: "destination", Config: retry.Config{HintScope: "destination"}},
	}
	processes := size(o, []int{1, 10, 100, 1000}, []int{10, 100})
	n, m := len(hintCases), len(processes)
	return o.Each(len(scopes)*n*m, func(i int) (Row, error) {
		policy, name, clients := scopes[i/(n*m)], hintCases[i/m%n], processes[i%m]
		s := hintScenario(name, clients)
		s.Seed = o.SeedFor(name, clients)
		r, err := fleet.Run(policy.Config, s)
		if err != nil {
			return Row{}, err
		}
		row := Row{
			Policy: policy.Name, Params: map[string]any{"case": name, "clients": clients},
			Metrics: map[string]*float64{
				"load": Value(r.Load()), "success": Value(r.Success()),
				"p50_ms": Value(r.Took(.5).Seconds() * 1e3), "p99_ms": Value(r.Took(.99).Seconds() * 1e3),
			},
		}
		switch {
		case policy.Name == "call" && name == "one-in-ten":
			row.Bars = map[string]Bar{"success": {AtLeast: .99}}
		case policy.Name == "destination" && name == "minute-1.5":
			row.Bars = map[string]Bar{"success": {AtLeast: .78}, "load": {AtMost: .95}}
		case policy.Name == "destination" && name == "closed":
			row.Bars = map[string]Bar{"success": {AtLeast: .85}, "load": {AtMost: 1}}
		}
		return row, nil
	})
}

func hintScenario(name string, clients int) fleet.Scenario {
	s := brookerFleet(clients, 1000)
	s.Deadline, s.Duration = 15*time.Second, time.Minute
	switch name {
	case "quota-1.0":
		s.Server = fleet.Server{Quota: 1000}
	case "quota-1.5":
		s.Server = fleet.Server{Quota: 667}
	case "minute-0.9":
		s.Server = fleet.Server{Quota: 11_111, Window: 10 * time.Second}
	case "minute-1.5":
		s.Server = fleet.Server{Quota: 6667, Window: 10 * time.Second}
	case "closed":
		s.Faults = []fleet.Fault{{From: 10 * time.Second, To: 30 * time.Second, Throttle: 1, After: 5 * time.Second}}
	case "one-in-ten":
		s.Faults = []fleet.Fault{{To: time.Minute, Throttle: .1, After: time.Second}}
	}
	return s
}
