package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/evenkeel-go/evenkeel/bench/experiments"
	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/retry"
)

// A trial is what a user's policy has to come through, beside the default policy.
type trial struct {
	name     string
	scenario fleet.Scenario
	lost     bool // it must not lose many more calls than the default
}

const (
	// amplified is how many more attempts per call than the default's a policy may send in the
	// worst second.
	amplified = 0.5
	// forsaken is how many more calls than the default a policy may lose: half as many, and one in
	// a hundred of all.
	forsaken = 1.5
)

func trials(seed uint64) []trial {
	fleetOf := func(rate, capacity float64, faults ...fleet.Fault) fleet.Scenario {
		return fleet.Scenario{
			Clients: 100, Load: fleet.Load{Rate: rate}, Server: fleet.Server{Rate: capacity}, Deadline: 3 * time.Second,
			Faults: faults, Seed: seed,
		}
	}
	const s = time.Second
	var bursts []fleet.Fault
	for at := 10 * s; at < 40*s; at += 5 * s {
		bursts = append(bursts, fleet.Fault{From: at, To: at + 300*time.Millisecond, Fail: 1})
	}
	return []trial{
		{"outage", fleetOf(500, 1000, fleet.Fault{From: 10 * s, To: 20 * s, Fail: 1}), false},
		{"partial outage", fleetOf(500, 1000, fleet.Fault{From: 10 * s, To: 20 * s, Fail: 0.5}), false},
		{"bursts", fleetOf(500, 1000, bursts...), true},
		{"steady failures", fleetOf(500, 1000, fleet.Fault{From: 10 * s, To: 40 * s, Fail: 0.1}), true},
		{"metastable", fleetOf(250, 300, fleet.Fault{From: 10 * s, To: 20 * s, Cut: 1}), false},
	}
}

// judge writes, for each of the user's policies, what it comes through and what it does not,
// beside the default.
func judge(w io.Writer, user []experiments.Policy, seed uint64) error {
	var errs []error
	for _, p := range user {
		fmt.Fprintf(w, "\n%s (the default): attempts per call in the worst second, calls lost\n", p.Name)
		var reasons []string
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, trial := range trials(seed) {
			line, why, err := trial.judge(p.Config)
			if err != nil {
				errs = append(errs, fmt.Errorf("-policy %s: %s: %w", p.Name, trial.name, err))
				continue
			}
			fmt.Fprintln(t, line)
			if why != "" {
				reasons = append(reasons, trial.name+": "+why)
			}
		}
		errs = append(errs, t.Flush())
		for _, reason := range reasons {
			fmt.Fprintf(w, "  %s\n", reason)
		}
	}
	return errors.Join(errs...)
}

// judge returns a row: the trial, the figures of both, and whether the policy survives it; and why
// not.
func (t trial) judge(policy retry.Config) (line, why string, err error) {
	theirs, err := fleet.Try(policy, t.scenario)
	if err != nil {
		return "", "", err
	}
	ours, err := fleet.Try(retry.Config{}, t.scenario)
	if err != nil {
		return "", "", err
	}
	switch most := max(ours.Amplification, 1) + amplified; {
	case !theirs.Survived():
		why = theirs.Faults[0]
	case theirs.Amplification > most:
		why = fmt.Sprintf("more than %.2fx", most)
	case t.lost && theirs.Lost > t.mostLost(ours.Lost):
		why = fmt.Sprintf("loses more than %d calls", t.mostLost(ours.Lost))
	}
	verdict := "survives"
	if why != "" {
		verdict = "does not survive"
	}
	return fmt.Sprintf("  %s\t%.2fx (%.2fx)\t%d lost (%d)\t%s",
		t.name, theirs.Amplification, ours.Amplification, theirs.Lost, ours.Lost, verdict), why, nil
}

func (t trial) mostLost(ours int) int {
	first, last := t.scenario.Faults[0].From, t.scenario.Faults[len(t.scenario.Faults)-1].To
	calls := t.scenario.Load.Rate * (last - first).Seconds()
	return int(forsaken*float64(ours) + calls/100)
}
