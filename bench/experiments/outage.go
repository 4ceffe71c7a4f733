package experiments

import (
	"slices"
	"time"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
)

var outage = Experiment{
	Name:   "outage",
	About:  "what do the first ten seconds of a total outage cost, by the number of processes that call?",
	Source: "measured from the published rules in the model of retry-budget",
	Setup: "1,000 calls/s in all, spread over the clients; healthy for 30 s, then every attempt fails. " +
		"Immediate retries. Three runs.",
	Words:   []Word{{"clients", "processes that make the calls, each with a budget of its own"}},
	Params:  []string{"clients"},
	Metrics: []Metric{{"load", "", Times}},
	Pivot:   "clients",
	Run:     runOutage,
}

var outageClients = []int{1, 10, 100, 1000}

// publishedOutage has load in percent, for each of outageClients.
var publishedOutage = map[string][]float64{
	"retries-3":       {400, 400, 400, 400},
	"grpc":            {100, 100, 103, 131},
	"brooker-success": {100, 100, 104, 140},
	"aws-2026":        {100, 103, 135, 300},
	"aws":             {101, 110, 200, 300},
	"finagle":         {121, 131, 222, 400},
	"envoy":           {128, 224, 395, 400},
	"sre":             {144, 145, 145, 149},
}

var outageBars = map[string][]float64{
	"evenkeel":        {1.03, 1.03, 1.03, 1.21},
	"evenkeel-strict": {1.11, 1.11, 1.11, 1.11},
}

func runOutage(o Options) ([]Row, error) {
	policies := slices.Concat(named, o.User)
	n := len(outageClients)
	return o.Each(len(policies)*n, func(i int) (Row, error) {
		policy, clients := policies[i/n], outageClients[i%n]
		load, err := outageLoad(o, policy, clients)
		if err != nil {
			return Row{}, err
		}
		row := Row{
			Policy:  policy.Name,
			Params:  map[string]any{"clients": clients},
			Metrics: map[string]*float64{"load": Value(load)},
		}
		if published, ok := publishedOutage[policy.Name]; ok {
			row.publish("load", published[i%n]/100, Within{Abs: .015, Rel: .012}) // one run of envoy's 2.23 has an sd of .012
		}
		if bars, ok := outageBars[policy.Name]; ok {
			row.Bars = map[string]Bar{"load": {AtMost: bars[i%n]}}
		}
		return row, nil
	})
}

const (
	outageAfter = 30 * time.Second
	outageLasts = 10 * time.Second
)

// outageLoad returns the mean of several runs.
func outageLoad(o Options, policy Policy, clients int) (load float64, err error) {
	runs := size(o, 3, 1)
	for run := range runs {
		one, err := firstSeconds(policy, clients, o.SeedFor(policy.Name, clients, run))
		if err != nil {
			return 0, err
		}
		load += one / float64(runs)
	}
	return load, nil
}

// firstSeconds returns the load on a fleet over the first ten seconds of an outage that begins
// after thirty: attempts per call, of the calls that begin in them.
func firstSeconds(policy Policy, clients int, seed uint64) (float64, error) {
	s := brookerFleet(clients, 1000)
	s.Faults = []fleet.Fault{{From: outageAfter, To: outageAfter + time.Hour, Fail: 1}}
	s.Duration = outageAfter + outageLasts
	s.Seed = seed
	r, err := fleet.Run(policy.Config, s)
	if err != nil {
		return 0, err
	}
	return r.Between(outageAfter, outageAfter+outageLasts).Load(), nil
}
