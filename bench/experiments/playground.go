package experiments

import (
	"github.com/evenkeel-go/evenkeel/bench/playground"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
)

var playgroundRuns = Experiment{
	Name:   "playground",
	About:  "what does the site's playground show before anybody moves a slider?",
	Source: "none: these are the page's own figures, to the digit",
	Setup: "100 clients, 1,000 calls/s, a server of 2,000 attempts/s that answers in 30 to 70 ms; legs exponential with mean 10 ms, " +
		"deadline 5 s, attempt timeout 1 s. Healthy for 10 s, a fault of 10 s, 40 s more. The seed is that of the command.",
	Words: []Word{
		{"partial", "half of the attempts fail"},
		{"cut", "all connections break every 2 s"},
		{"slow", "each answer takes 2 s more"},
		{"unlimited, grpc", "the same policy with these budgets"},
	},
	Params: []string{"fault"},
	Metrics: []Metric{
		{"fault_load", "load in the fault", Times},
		{"fault_success", "success, %", Percent},
		{"worst", "worst second", Times},
		{"recovery_s", "recovery", Seconds},
		{"lost", "calls lost", Count},
		{"load", "load in all", Times},
		{"success", "success in all, %", Percent},
		{"p99_ms", "p99", Milliseconds},
		{"calls", "calls", Count},
	},
	Run: runPlayground,
}

func runPlayground(o Options) ([]Row, error) {
	usual, err := retry.ParseConfig([]byte(playground.Usual))
	if err != nil {
		return nil, err
	}
	with := func(name string, b budget.Spec) Policy {
		p := Policy{Name: name, Config: usual}
		p.Config.Budget = b
		return p
	}
	policies := []Policy{with("unlimited", budget.Unlimited{}), with("grpc", budget.GRPC{}), with("evenkeel", budget.Adaptive{})}
	policies = append(policies, o.User...)
	return o.Each(len(playground.Faults)*len(policies), func(i int) (Row, error) {
		fault, policy := playground.Faults[i/len(policies)].Name, policies[i%len(policies)]
		f, err := playground.RunPolicy(playground.Preset(fault, o.Seed), policy.Config, nil)
		if err != nil {
			return Row{}, err
		}
		return Row{Policy: policy.Name, Params: map[string]any{"fault": fault}, Metrics: metricsOf(f)}, nil
	})
}

func metricsOf(f playground.Figures) map[string]*float64 {
	return map[string]*float64{
		"calls": Value(float64(f.Calls)), "lost": Value(float64(f.Lost)), "success": Value(f.Success), "load": Value(f.Load),
		"fault_success": Value(f.FaultSuccess), "fault_load": Value(f.FaultLoad), "worst": Value(f.Worst),
		"recovery_s": f.Recovery, "p99_ms": Value(f.P99),
	}
}
