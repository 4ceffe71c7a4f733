package main

// tolerance is how far, as a ratio, a reproduced figure may be from the published one: 1.5 points
// of a percent, and of a load of more than 1 as much for each 1. A quick run of 15,000 calls has a
// deviation of one point at a load of 2.7, so that any change of the order of random numbers would
// find some figure off.
const tolerance = .015

// result holds the published figures of a budget at one failure rate, in percent.
type result struct{ success, load float64 }

// budgets are the results of Marc Brooker's model of 2022 ("Fixing retries with token buckets and
// circuit breakers"), at each of failureRates. A budget that a change of ours drives off its row
// is no longer the budget it is named after.
var budgets = map[string][8]result{
	"none":            {{99, 100}, {95, 100}, {90, 100}, {79.8, 100}, {69.9, 100}, {49.9, 100}, {25.2, 100}, {0, 100}},
	"retries-3":       {{100, 101}, {100, 105}, {99.99, 111}, {99.8, 125}, {99.2, 142}, {93.8, 188}, {68.5, 273}, {0, 400}},
	"brooker":         {{100, 101}, {99.98, 105}, {98.7, 109}, {88.2, 111}, {77.5, 111}, {55.3, 111}, {27.5, 111}, {0, 111}},
	"brooker-success": {{100, 101}, {99.97, 105}, {98.3, 109}, {87.3, 109}, {75.8, 108}, {53.1, 106}, {26, 103}, {0, 101}},
	"grpc":            {{100, 101}, {99.95, 105}, {94, 105}, {80.9, 101}, {70.6, 101}, {50.5, 101}, {25.3, 101}, {0, 101}},
	"aws":             {{100, 101}, {99.99, 105}, {99.9, 111}, {99.1, 124}, {97.2, 139}, {83.4, 166}, {32.6, 131}, {0, 117}},
	"aws-2026":        {{100, 101}, {99.99, 105}, {99.9, 111}, {99.1, 124}, {94, 135}, {59.6, 119}, {27.7, 110}, {0, 106}},
	"finagle":         {{100, 101}, {100, 105}, {99.99, 111}, {99.8, 125}, {99.2, 142}, {93.9, 187}, {54.5, 219}, {0, 220}},
	"finagle-0":       {{99.99, 101}, {99.96, 105}, {99.8, 111}, {93.8, 118}, {83.1, 119}, {59.5, 119}, {29.9, 120}, {0, 120}},
	"envoy":           {{100, 101}, {100, 105}, {99.99, 111}, {99.8, 125}, {99.2, 142}, {93.9, 187}, {68.2, 272}, {0, 394}},
	"sre":             {{100, 101}, {99.96, 105}, {99.2, 110}, {88.8, 111}, {77.9, 111}, {55.4, 111}, {28.3, 111}, {0, 111}},
}

func published() []check {
	var checks []check
	near := func(policy, metric string, percent, p float64) {
		want := percent / 100
		params := map[string]any{"p": p}
		off := tolerance * max(1, want)
		checks = append(checks, check{"retry-budget", policy, params, metric, want - off, want + off})
	}
	for policy, results := range budgets {
		for i, p := range failureRates {
			near(policy, "success", results[i].success, p)
			near(policy, "load", results[i].load, p)
		}
	}
	return checks
}
