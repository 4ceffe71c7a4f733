package experiments

import (
	"math"

	"github.com/evenkeel-go/evenkeel/bench/live"
)

var stackLive = Experiment{
	Name:   "stack-live",
	About:  "what do real servers five deep come to when every layer retries?",
	Source: "arithmetic (3^5 = 243) and the model of stack",
	Setup: "Five services on the loopback interface, HTTP and gRPC by turns; healthy for some requests, then the leaf fails with " +
		"probability p. 3 attempts a layer, immediate. evenkeel has its server side in each service, every-layer has plain servers.",
	Words: []Word{
		{"p", "the share of attempts that fail at the leaf"},
		{"load", "attempts at the leaf per request of the user"},
	},
	Params:  []string{"p"},
	Metrics: []Metric{{"load", "", Times}, {"success", "success, %", Percent}},
	Pivot:   "p",
	Alone:   true,
	Run:     func(o Options) ([]Row, error) { return runStackLive(o, size(o, 600, 300)) },
}

var stackLiveProbabilities = []float64{.1, .5, 1}

// stackLiveRow is a policy at every layer, and what stack has published of it.
type stackLiveRow struct {
	policy    Policy
	tells     bool // services pass "do not retry" upward
	published [][2]float64
}

var stackLiveRows = []stackLiveRow{
	{
		policy:    policyNamed("retries-3").as("every-layer").attempts(3),
		published: [][2]float64{{1.11, 100}, {1.97, 100}, {243, 0}},
	},
	{policy: policyNamed("evenkeel"), tells: true},
}

// runStackLive makes so many requests in each cell, and a few where each of them costs hundreds of
// attempts.
func runStackLive(o Options, requests int) ([]Row, error) {
	rows := stackLiveRows
	for _, p := range o.User {
		rows = append(rows, stackLiveRow{policy: p, tells: true})
	}
	ps := stackLiveProbabilities
	results := make([]Row, len(rows)*len(ps))
	return results, o.together(len(results), func(i int) (err error) {
		row, p := rows[i/len(ps)], ps[i%len(ps)]
		n := requests
		if row.published != nil && row.published[i%len(ps)][0] > 100 {
			n = 10
		}
		results[i], err = row.run(p, n, o.SeedFor(row.policy.Name, p))
		if err == nil && row.published != nil {
			row.compare(&results[i], row.published[i%len(ps)])
		}
		return err
	})
}

func (r stackLiveRow) run(p float64, requests int, seed uint64) (Row, error) {
	s := live.Stack{
		Wires: live.StackWires, Policy: r.policy.Config, Tells: r.tells, Percent: int(math.Round(100 * p)), Seed: seed,
	}
	sum, err := s.Run(requests)
	row := Row{
		Policy:  r.policy.Name,
		Params:  map[string]any{"p": p},
		Metrics: map[string]*float64{"load": Value(sum.Load()), "success": Value(sum.Success())},
	}
	if r.policy.Name == "evenkeel" && p == 1 {
		row.Bars = map[string]Bar{"load": {AtMost: 1.15}}
	}
	return row, err
}

// compare puts what was published of stack beside the row. 243 is exact.
func (r stackLiveRow) compare(row *Row, published [2]float64) {
	within := Within{Abs: .03, Rel: .03}
	if published[0] > 100 {
		within = Within{}
	}
	row.publish("load", published[0], within)
	row.publish("success", published[1]/100, points(1.5))
}
