package experiments

import (
	"math"
	"slices"
	"time"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
)

var metastable = Experiment{
	Name:   "metastable",
	About:  "how long does an outage of ten seconds last?",
	Source: `"Metastable Failures in Distributed Systems" (HotOS'21), the example; a fluid model of it`,
	Setup: "A server of 300 calls/s, first come, first served, that executes work whose caller gave up. " +
		"Timeout 1 s, 2 attempts. It stops for 10 s. Means of several seeds.",
	Words: []Word{
		{"rate", "first attempts a second that reach the server, which can serve 300: it works off what has piled up with the rest"},
		{"recovery", "from the start of the outage until goodput is back for ten seconds; never: not at all"},
	},
	Params:  []string{"rate"},
	Metrics: []Metric{{"recovery_s", "recovery", Seconds}},
	Pivot:   "rate",
	Run:     runMetastable,
}

var (
	metastableRates     = []int{140, 155, 200, 250, 280, 290}
	publishedMetastable = map[string][]float64{
		"none":            {18, 20, 28, 55, 137, 272},
		"retries-1":       {129, Never, Never, Never, Never, Never},
		"brooker":         {19, 22, 35, 109, Never, Never},
		"brooker-success": {18, 20, 28, 55, 137, 272},
		"grpc":            {18, 20, 28, 55, 137, 272},
	}
)

func runMetastable(o Options) ([]Row, error) {
	policies := []Policy{
		policyNamed("none"), policyNamed("retries-3").as("retries-1"), policyNamed("brooker"),
		policyNamed("brooker-success"), policyNamed("grpc"), policyNamed("evenkeel"), policyNamed("evenkeel-strict"),
	}
	policies = append(policies, o.User...)
	n := len(metastableRates)
	return o.Each(len(policies)*n, func(i int) (Row, error) {
		policy, rate := policies[i/n], metastableRates[i%n]
		seeds := size(o, 8, 1)
		switch {
		case rate >= 280: // where the time until the backlog is gone varies by a tenth
			seeds = size(o, 24, 2)
		case rate <= 140: // where a policy that retries is next to never recovering
			seeds = size(o, 8, 2)
		}
		recovery, err := recoveryOf(policy.attempts(2).timeout(time.Second), rate, seeds, o)
		if err != nil {
			return Row{}, err
		}
		row := Row{
			Policy:  policy.Name,
			Params:  map[string]any{"rate": rate},
			Metrics: map[string]*float64{"recovery_s": Value(recovery)},
		}
		if published, ok := publishedMetastable[policy.Name]; ok {
			row.publish("recovery_s", published[i%n], Within{Rel: .15})
		}
		if policy.Name == "evenkeel" || policy.Name == "evenkeel-strict" {
			row.Bars = map[string]Bar{"recovery_s": {AtMost: 1.15 * publishedMetastable["none"][i%n]}}
		}
		return row, nil
	})
}

const stopAt = 20 * time.Second

// recoveryOf returns the mean time from the start of the outage until goodput is back. It is
// infinite if most runs do not recover; a few that do not count with the time that they were
// given.
func recoveryOf(policy Policy, rate, seeds int, o Options) (float64, error) {
	none := publishedMetastable["none"][slices.Index(metastableRates, rate)]
	given := max(200*time.Second, time.Duration(1.8*none*float64(time.Second)))
	total, never := 0.0, 0
	for seed := range seeds {
		if never == 2 && never == seed {
			break // it will not
		}
		s := fleet.Scenario{
			Clients:  10,
			Load:     fleet.Load{Rate: float64(rate)},
			Server:   fleet.Server{Rate: 300},
			Network:  fleet.Constant(time.Millisecond),
			Faults:   []fleet.Fault{{From: stopAt, To: stopAt + 10*time.Second, Cut: 1}},
			Duration: stopAt + given,
			Drain:    time.Second,
			Settle:   true,
			Seed:     o.SeedFor(policy.Name, rate, seed),
		}
		r, err := fleet.Run(policy.Config, s)
		if err != nil {
			return 0, err
		}
		after, ok := r.Recovered(stopAt, s.Duration)
		if !ok {
			never++
			after = given
		}
		total += after.Seconds()
	}
	if never == 2 && seeds > 2 || never > seeds/2 {
		return math.Inf(1), nil
	}
	return total / float64(seeds), nil
}
