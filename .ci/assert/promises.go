package main

import "math"

// failureRates are the values of p of the experiment retry-budget.
var failureRates = []float64{.01, .05, .1, .2, .3, .5, .75, 1}

// promises returns the checks that evenkeel's own policies must pass, whatever else changes.
func promises() []check {
	var checks []check
	atLeast := func(experiment, policy, metric string, low float64, params map[string]any) {
		checks = append(checks, check{experiment, policy, params, metric, low, math.Inf(1)})
	}
	atMost := func(experiment, policy, metric string, high float64, params map[string]any) {
		checks = append(checks, check{experiment, policy, params, metric, 0, high})
	}

	for _, p := range failureRates { // retries that help are not rationed: three attempts of those that do
		atMost("retry-budget", "evenkeel", "load", min(1+p+p*p+.015, 1.3), map[string]any{"p": p})
	}
	atLeast("retry-budget", "evenkeel", "success", .997, map[string]any{"p": .1})
	atLeast("retry-budget", "evenkeel-strict", "success", .985, map[string]any{"p": .1})

	for clients, high := range map[float64]float64{1: 1.03, 10: 1.03, 100: 1.03, 1000: 1.21} {
		atMost("outage", "evenkeel", "load", high, map[string]any{"clients": clients})
	}
	atMost("outage", "evenkeel-strict", "load", 1.11, map[string]any{"clients": 1000.})

	for _, transport := range []string{"http", "grpc"} {
		outage := map[string]any{"transport": transport, "scenario": "outage"}
		atLeast("live", "retries-3", "load", 2.5, outage)
		atMost("live", "evenkeel", "load", 1.15, outage)
		faults := map[string]any{"transport": transport, "scenario": "faults-5"}
		atLeast("live", "retries-3", "success", .99, faults)
		atLeast("live", "evenkeel", "success", .99, faults)
	}
	return checks
}
