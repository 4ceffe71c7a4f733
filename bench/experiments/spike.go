package experiments

import (
	"math"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/bench/fleet"
)

var spike = Experiment{
	Name:   "spike",
	About:  "does a server that slows down with concurrency recover from a spike of load, or from a slow ramp?",
	Source: "after Marc Brooker's collapse simulation",
	Setup: "Latency 1 s + 10 ms x concurrency, legs exponential with mean 0.1 s, timeout 3 s, 3 attempts. " +
		"60 runs of 80 s (the source: 20).",
	Words: []Word{
		{"spike", "40 calls/s, and 80 from 20 s to 25 s"},
		{"ramp", "from 40 calls/s to 80 at 25 s, and down to none at 75 s"},
		{"recovered", "the runs in which nine calls in ten succeed again from 60 s to 70 s"},
	},
	Params:  []string{"shape"},
	Metrics: []Metric{{"recovered", "recovered, %", Percent}, {"success", "success, %", Percent}, {"load", "", Times}},
	Run:     runSpike,
}

var publishedSpike = map[string]map[string]map[string]float64{
	"spike": {
		"none":              {"recovered": 1, "success": .935, "load": 1},
		"retries-2":         {"recovered": .2, "load": 1.97},
		"retries-2-backoff": {"recovered": 1, "success": .979, "load": 1.03},
		"brooker-success":   {"recovered": 1, "success": .931, "load": 1.02},
	},
	"ramp": {
		"retries-2-backoff": {"success": .32, "load": 2.33},
		"brooker-success":   {"success": .56, "load": 1.02},
	},
}

const spikeLasts = 80 * time.Second

func runSpike(o Options) ([]Row, error) {
	naive := policyNamed("retries-3").as("retries-2")
	patient := naive.as("retries-2-backoff")
	patient.Config.Backoff = backoff.FullJitter(20*time.Second, 40*time.Second) // the source's: 20 s, then 40 s
	policies := []Policy{
		policyNamed("none"), naive, patient, policyNamed("brooker"), policyNamed("brooker-success"),
		policyNamed("evenkeel"),
	}
	policies = append(policies, o.User...)
	shapes := []string{"spike", "ramp"}
	return o.Each(len(policies)*2, func(i int) (Row, error) {
		policy, shape := policies[i/2], shapes[i%2]
		row, err := spikes(policy.attempts(3).timeout(3*time.Second), shape, o)
		for metric, v := range publishedSpike[shape][policy.Name] {
			within := points(3)
			switch metric {
			case "load":
				within = share(.15)
			case "recovered":
				within = points(30) // the source has 20 runs: two standard errors of the two
			}
			row.publish(metric, v, within)
		}
		return row, err
	})
}

func spikes(policy Policy, shape string, o Options) (Row, error) {
	runs := size(o, 60, 12)
	recovered := 0
	var sum fleet.Tally
	for run := range runs {
		s := fleet.Scenario{
			Load:     fleet.Load{Rate: 40},
			Server:   fleet.Server{Latency: fleet.Constant(time.Second), Slowdown: 10 * time.Millisecond},
			Network:  fleet.Exponential(100 * time.Millisecond),
			Faults:   []fleet.Fault{{From: 20 * time.Second, To: 25 * time.Second, Load: 2}},
			Duration: spikeLasts,
			Drain:    time.Nanosecond,
			Seed:     o.SeedFor(policy.Name, shape, run),
		}
		if shape == "ramp" {
			s.Faults = ramp()
		}
		r, err := fleet.Run(policy.Config, s)
		if err != nil {
			return Row{}, err
		}
		sum.Calls += r.Calls
		sum.Succeeded += r.Succeeded
		sum.Attempts += r.Attempts
		if end := r.Between(60*time.Second, 70*time.Second); end.Success() > .9 {
			recovered++
		}
	}
	return Row{
		Policy: policy.Name,
		Params: map[string]any{"shape": shape},
		Metrics: map[string]*float64{
			"recovered": Value(float64(recovered) / float64(runs)), "success": Value(sum.Success()), "load": Value(sum.Load()),
		},
	}, nil
}

// ramp returns 80 - 1.6 |t - 25| calls/s in steps of half a second, as factors on 40 calls/s.
func ramp() []fleet.Fault {
	const step = 500 * time.Millisecond
	var steps []fleet.Fault
	for at := time.Duration(0); at < spikeLasts; at += step {
		rate := 80 - 1.6*math.Abs((at+step/2).Seconds()-25)
		steps = append(steps, fleet.Fault{From: at, To: at + step, Load: max(rate, 1e-6) / 40})
	}
	return steps
}
