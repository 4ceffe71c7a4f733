package experiments

import (
	"time"

	"github.com/evenkeel-go/evenkeel/bench/live"
	"github.com/evenkeel-go/evenkeel/timeout"
)

var replicasLive = Experiment{
	Name:   "replicas-live",
	About:  "does one bad server of three real ones cost as little as the simulator says?",
	Source: "no published figures; issue 18's bars",
	Setup: "Three real servers on the loopback interface that take 10 ms, 100 calls/s for 30 s from one " +
		"client, over httpx/endpoints and grpcx/balancer with the default budget and outliers set aside. " +
		"The second server is bad all the time.",
	Words: []Word{
		{"none", "it is as good as the others"},
		{"fails", "503 or UNAVAILABLE at once"},
		{"refuses", "nobody listens"},
		{"hangs", "it answers nothing; attempts time out after 500 ms"},
		{"slow", "it takes 200 ms; hedges go after 30 ms"},
		{"load", "attempts per call from the second second on, the fourth if it is slow, and so is p99"},
		{"p99 ratio", "to that of three healthy servers at the same time"},
	},
	Params: []string{"transport", "bad"},
	Metrics: []Metric{
		{"success", "success, %", Percent},
		{"load", "", Times},
		{"p99_ms", "p99 ms", Tenths},
		{"p99_ratio", "p99 ratio", Times},
	},
	Alone: true,
	Run:   runReplicasLive,
}

// hangTimeout is that of attempts where a server hangs.
const hangTimeout = 50 * live.Answer

var badServers = []string{"none", "fails", "refuses", "hangs", "slow"}

// runReplicasLive runs all fleets at the same time: they wait more than they compute, and what
// disturbs one disturbs the healthy one that it is compared with.
func runReplicasLive(o Options) ([]Row, error) {
	policies := o.Policies("evenkeel")
	n := len(policies) * len(wires) * len(badServers)
	at := func(i int) (Policy, live.Wire, string) {
		b := len(badServers)
		return policies[i/(b*len(wires))], wires[i/b%len(wires)], badServers[i%b]
	}
	seen := make([]live.ReplicasMeasured, n)
	err := o.together(n, func(i int) (err error) {
		policy, over, bad := at(i)
		r := live.Replicas{Calls: size(o, 3000, 800), Rate: 100, SetAside: true, Grace: time.Second}
		cfg := policy.Config
		switch bad {
		case "hangs":
			cfg.AttemptTimeout = timeout.Fixed(hangTimeout)
		case "slow":
			cfg.Hedge, r.Grace = timeout.Fixed(3*live.Answer), 3*time.Second
		}
		if bad != "none" {
			r.Bad = bad
		}
		seen[i], err = r.Run(cfg, over)
		return err
	})
	if err != nil {
		return nil, err
	}
	var rows []Row
	for i, m := range seen {
		policy, over, bad := at(i)
		healthy := seen[i-i%len(badServers)].P99
		row := Row{
			Policy: policy.Name,
			Params: map[string]any{"transport": over.Name, "bad": bad},
			Metrics: map[string]*float64{
				"success": Value(m.Success), "load": Value(m.Load), "p99_ms": Value(m.P99.Seconds() * 1000),
				"p99_ratio": Value(float64(m.P99) / float64(healthy)),
			},
		}
		if !policy.user {
			row.Bars = replicasLiveBars(bad, healthy)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// replicasLiveBars returns what a fleet with a bad server must hold, on a machine where the p99 of
// healthy servers is that.
func replicasLiveBars(bad string, healthy time.Duration) map[string]Bar {
	switch {
	case healthy < 2*live.Answer:
		return map[string]Bar{"success": {AtLeast: .999}, "load": {AtMost: 1.1}, "p99_ratio": {AtMost: 1.3}}
	case bad == "hangs" && healthy > hangTimeout/2: // attempts at healthy servers time out as well
		return nil
	}
	return map[string]Bar{"success": {AtLeast: .99}, "load": {AtMost: 1.1}} // the machine is what calls wait for
}
