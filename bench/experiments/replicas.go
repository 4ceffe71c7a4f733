package experiments

import (
	"time"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/outlier"
	"github.com/evenkeel-go/evenkeel/timeout"
)

var replicas = Experiment{
	Name:   "replicas",
	About:  "what does one bad replica of three cost, with and without sending resends elsewhere and setting it aside?",
	Source: "no published figures; issue 18's bars",
	Setup: "One client of 100 calls/s for 30 s, round robin over three replicas of 10 ms, deadline 5 s. " +
		"Replica 2 is bad all the time. Every policy but none has an attempt timeout of 100 ms where it " +
		"hangs and a hedge after 30 ms where it is slow.",
	Words: []Word{
		{"down", "it fails every attempt at once"},
		{"hung", "it answers nothing"},
		{"slow", "it takes 20 times as long"},
		{"half", "it fails half of its attempts"},
		{"flapping", "it fails everything for two seconds in four"},
		{"all", "all three fail from 10 s to 20 s"},
		{"plain", "each attempt goes to the next replica in turn"},
		{"elsewhere", "an attempt goes to a replica that the call has not tried"},
		{"set aside", "elsewhere, and outliers are set aside"},
	},
	Params: []string{"fault", "balancing"},
	Metrics: []Metric{
		{"success", "success, %", Percent}, {"load", "", Times}, {"p99_ms", "p99 ms", Tenths},
	},
	Run: runReplicas,
}

const (
	replicasLast  = 30 * time.Second
	replicaAnswer = 10 * time.Millisecond
)

// replicaFaults returns the faults of a scenario by its name.
func replicaFaults(name string) []fleet.Fault {
	whole := fleet.Fault{Replica: 2, To: replicasLast}
	switch name {
	case "down":
		whole.Fail = 1
	case "hung":
		whole.Hang = 1
	case "slow":
		whole.Slow = 19 * replicaAnswer
	case "half":
		whole.Fail = .5
	case "all":
		return []fleet.Fault{{Fail: 1, From: 10 * time.Second, To: 20 * time.Second}}
	case "flapping":
		var all []fleet.Fault
		for at := time.Duration(0); at < replicasLast; at += 4 * time.Second {
			all = append(all, fleet.Fault{Replica: 2, Fail: 1, From: at, To: at + 2*time.Second})
		}
		return all
	}
	return []fleet.Fault{whole}
}

func replicaBalancing(name string) fleet.Replicas {
	r := fleet.Replicas{N: 3, Elsewhere: name != "plain"}
	if name == "set aside" {
		r.SetAside = &outlier.Config{}
	}
	return r
}

type replicaCell struct {
	policy           Policy
	fault, balancing string
}

func runReplicas(o Options) ([]Row, error) {
	policies := append([]Policy{policyNamed("none"), policyNamed("retries-3"), policyNamed("evenkeel")}, o.User...)
	var cells []replicaCell
	for _, fault := range []string{"down", "hung", "slow", "half", "flapping", "all"} {
		for _, p := range policies {
			for _, b := range []string{"plain", "elsewhere", "set aside"} {
				cells = append(cells, replicaCell{p, fault, b})
			}
		}
	}
	return o.Each(len(cells), func(i int) (Row, error) { return cells[i].run(o) })
}

func (c replicaCell) run(o Options) (Row, error) {
	cfg := c.policy.Config
	if c.policy.Name != "none" {
		switch c.fault {
		case "hung":
			cfg.AttemptTimeout = timeout.Fixed(10 * replicaAnswer)
		case "slow":
			cfg.Hedge = timeout.Fixed(3 * replicaAnswer)
		}
	}
	r, err := fleet.Run(cfg, fleet.Scenario{
		Load:     fleet.Load{Rate: 100},
		Server:   fleet.Server{Latency: fleet.Constant(replicaAnswer)},
		Replicas: replicaBalancing(c.balancing),
		Deadline: 5 * time.Second,
		Faults:   replicaFaults(c.fault),
		Duration: replicasLast,
		Seed:     o.SeedFor(c.policy.Name, c.fault), // the same calls however they are balanced
	})
	if err != nil {
		return Row{}, err
	}
	row := Row{
		Policy: c.policy.Name,
		Params: map[string]any{"fault": c.fault, "balancing": c.balancing},
		Metrics: map[string]*float64{
			"success": Value(r.Success()), "load": Value(r.Load()),
			"p99_ms": Value(r.Took(.99).Seconds() * 1000),
		},
	}
	if c.policy.Name == "evenkeel" && c.balancing == "set aside" {
		row.Bars = c.bars()
	}
	return row, nil
}

// bars returns the limits that this experiment must keep.
func (c replicaCell) bars() map[string]Bar {
	switch c.fault {
	case "down", "hung", "slow":
		return map[string]Bar{"success": {AtLeast: .999}, "load": {AtMost: 1.1}, "p99_ms": {AtMost: 13.5}}
	case "all":
		return map[string]Bar{"load": {AtMost: 1.1}}
	}
	return nil
}
