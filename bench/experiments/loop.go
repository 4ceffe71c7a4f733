package experiments

import (
	"time"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/budget"
)

var loop = Experiment{
	Name:   "loop",
	About:  "what do consumers do that make the next call as soon as the last has ended?",
	Source: "design: no budget holds first attempts back",
	Setup: "100 consumers, one call after another; answers take 100 ms, failures no time; legs exponential with mean 1 ms. Healthy for " +
		"30 s, then every attempt fails for a minute.",
	Words: []Word{
		{"pace", "they wait between calls as a retry.Pace says"},
		{"memoryless", "clients without a budget"},
	},
	Params:  []string{"pace"},
	Metrics: []Metric{{"rate", "attempts, of usual", Times}},
	Run:     runLoop,
}

func runLoop(o Options) ([]Row, error) {
	policies := append([]Policy{atOnce("memoryless", 3, budget.Unlimited{})}, o.Policies("evenkeel")...)
	return o.Each(2*len(policies), func(i int) (Row, error) {
		policy, paced := policies[i/2], i%2 == 1
		const lasts = time.Minute
		s := fleet.Scenario{
			Clients: 100, Load: fleet.Load{Rate: 1000, Loop: fleet.AtOnce},
			Server:   fleet.Server{Latency: fleet.Constant(100 * time.Millisecond)},
			Network:  fleet.Exponential(time.Millisecond),
			Faults:   []fleet.Fault{{From: outageAfter, To: outageAfter + lasts, Fail: 1}},
			Duration: outageAfter + lasts + 30*time.Second,
			Seed:     o.SeedFor(policy.Name, paced),
		}
		if paced {
			s.Load.Loop = fleet.Paced
		}
		r, err := fleet.Run(policy.Config, s)
		if err != nil {
			return Row{}, err
		}
		usual := float64(r.Between(outageAfter-10*time.Second, outageAfter).Sent) / 10
		rate := float64(r.Between(outageAfter, outageAfter+lasts).Sent) / lasts.Seconds() / usual
		row := Row{
			Policy:  policy.Name,
			Params:  map[string]any{"pace": paced},
			Metrics: map[string]*float64{"rate": Value(rate)},
		}
		if paced && !policy.user {
			row.Bars = map[string]Bar{"rate": {AtMost: 1.1}}
		}
		return row, nil
	})
}
