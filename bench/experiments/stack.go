package experiments

import (
	"math"
	"time"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
)

var stack = Experiment{
	Name:   "stack",
	About:  "what does the bottom of five layers see when every layer retries?",
	Source: "arithmetic (3^5 = 243) and the model of retry-budget, five deep",
	Setup: "A request passes five layers of one process each; the leaf fails with probability p. " +
		"3 attempts a layer, immediate.",
	Words: []Word{
		{"p", "the share of attempts that fail at the leaf"},
		{"load", "attempts at the leaf per request of the user"},
		{"brooker-tell", "brooker, and each layer passes \"do not retry\" upward"},
	},
	Params:  []string{"p"},
	Metrics: []Metric{{"load", "", Times}, {"success", "success, %", Percent}},
	Pivot:   "p",
	Run:     runStack,
}

var stackProbabilities = []float64{.1, .5, .9, 1}

// stackRow is a policy and what was published of it: load as a factor and success in percent.
type stackRow struct {
	policy    Policy
	oneLayer  bool // only the client retries
	tell      bool // services pass "do not retry" upward
	published [][2]float64
}

var stackRows = []stackRow{
	{
		policy:    policyNamed("retries-3").as("every-layer").attempts(3),
		published: [][2]float64{{1.11, 100}, {1.97, 100}, {9.8, 100}, {243, 0}},
	}, {
		policy: policyNamed("retries-3").as("one-layer").attempts(3), oneLayer: true,
		published: [][2]float64{{1.11, 99.9}, {1.75, 88}, {2.70, 27}, {3.00, 0}},
	}, {
		policy:    policyNamed("brooker").attempts(3),
		published: [][2]float64{{1.11, 100}, {1.61, 80}, {1.61, 16}, {1.61, 0}},
	}, {
		policy:    policyNamed("grpc").attempts(3),
		published: [][2]float64{{1.09, 97.5}, {1.00, 50}, {1.00, 10}, {1.00, 0}},
	}, {
		policy: policyNamed("brooker").as("brooker-tell").attempts(3), tell: true,
		published: [][2]float64{{1.09, 98.4}, {1.10, 55}, {1.10, 11}, {1.10, 0}},
	}, {
		policy: policyNamed("evenkeel"), tell: true,
	}, {
		policy: policyNamed("evenkeel-strict"), tell: true,
	},
}

func runStack(o Options) ([]Row, error) {
	rows := stackRows
	for _, p := range o.User {
		rows = append(rows, stackRow{policy: p, tell: true})
	}
	ps := stackProbabilities
	return o.Each(len(rows)*len(ps), func(i int) (Row, error) {
		row, p := rows[i/len(ps)], ps[i%len(ps)]
		r, err := row.run(p, o)
		if err != nil {
			return Row{}, err
		}
		result := Row{
			Policy:  row.policy.Name,
			Params:  map[string]any{"p": p},
			Metrics: map[string]*float64{"load": Value(r.Load()), "success": Value(r.Success())},
		}
		if row.published != nil {
			published := row.published[i%len(ps)]
			result.publish("load", published[0], share(.05)) // every-layer is exactly 2.00 at .5 and 9.99 at .9
			result.publish("success", published[1]/100, points(1.5))
		}
		if row.policy.Name == "evenkeel" && p == 1 {
			result.Bars = map[string]Bar{"load": {AtMost: 1.15}}
		}
		return result, nil
	})
}

// run counts a steady state: the first seconds, in which the buckets empty, do not count.
func (row stackRow) run(p float64, o Options) (fleet.Point, error) {
	s := fleet.Scenario{
		Clients:  1,
		Load:     fleet.Load{Rate: 1000},
		Network:  fleet.Exponential(10 * time.Millisecond),
		Faults:   []fleet.Fault{{To: time.Hour, Fail: p}},
		Duration: size(o, 40*time.Second, 22*time.Second),
		Seed:     o.SeedFor(row.policy.Name, p),
	}
	switch hundreds := row.published != nil && row.published[3][0] > 100; { // of attempts per request: fewer requests will do
	case hundreds && p == 1:
		s.Load.Rate = 20
	case hundreds && p == .9:
		s.Load.Rate = 300
	}
	service := fleet.Service{Tell: row.tell}
	if row.oneLayer {
		service.Policy = new(policyNamed("none").Config)
	}
	s.Services = []fleet.Service{service, service, service, service}
	r, err := fleet.Run(row.policy.Config, s)
	if err != nil {
		return fleet.Point{}, err
	}
	return r.Between(10*time.Second, math.MaxInt64), nil
}
