package experiments

import (
	"fmt"
	"maps"
	"math"
)

var together = Experiment{
	Name:   "together",
	About:  "what does a budget save and cost where failures come together?",
	Source: "none; oracle is three attempts without a budget",
	Setup: "Each row is a scenario of its own (bench/together_rows.go), each policy sends three attempts at most, at once " +
		"and after the default waits. Means of -seeds runs.",
	Params: []string{"group", "case", "waits"},
	Metrics: []Metric{
		{"success", "", Percent},
		{"load", "", Times},
		{"waste", "", Percent},
		{"recovery", "", Seconds},
		{"added", "added p99", Milliseconds},
		{"waiting", "", Count},
	},
	Run: runTogether,
}

// togetherPolicies are compared with three attempts each, but none.
var togetherPolicies = []string{
	"none", "retries-3", "brooker", "brooker-success", "grpc", "aws", "aws-2026", "finagle",
	"envoy", "sre", "evenkeel", "evenkeel-strict",
}

func runTogether(o Options) ([]Row, error) {
	policies := o.Policies(size(o, togetherPolicies, []string{"none", "retries-3", "grpc", "aws", "aws-2026", "finagle", "envoy", "evenkeel"})...)
	cases := o.togetherCases()
	all := len(policies)
	rows, err := o.Each(len(cases)*all, func(i int) (Row, error) {
		c, policy := cases[i/all], policies[i%all].attempts(3)
		if c.waits == "default" && policy.waitsAlike() {
			return Row{}, nil
		}
		return o.togetherRow(c, policy), nil
	})
	if err != nil {
		return nil, err
	}
	for i := range rows {
		if rows[i].Policy == "" { // the case before is the same one with the other waits
			rows[i] = rows[i-all]
			rows[i].Params = maps.Clone(rows[i].Params)
			rows[i].Params["waits"] = "default"
		}
	}
	for i, c := range cases {
		c.judge(rows[i*all : (i+1)*all])
	}
	return rows, nil
}

type togetherCase struct {
	crowdRow
	waits string
}

func (o Options) togetherCases() (cases []togetherCase) {
	for _, r := range crowdRows() {
		if o.Quick && (r.full || r.near && r.crowd.fanOut || max(r.crowd.rate, 10)*r.crowd.seconds > 10_000) {
			continue
		}
		for _, waits := range []string{"none", "default"} {
			if o.Quick && waits == "default" {
				continue
			}
			cases = append(cases, togetherCase{r, waits})
		}
	}
	return cases
}

// waitsAlike reports whether both kinds of waits come to the same run: the policy is the user's,
// or never retries.
func (p Policy) waitsAlike() bool {
	return p.user || p.Config.MaxAttempts == 1 && p.Config.Hedge == nil
}

func (o Options) togetherRow(c togetherCase, policy Policy) Row {
	cfg := policy.Config
	if !policy.user && c.waits == "default" {
		cfg.Backoff, cfg.ThrottledBackoff = defaultWaits, defaultWaits
	}
	var sum gathered
	recovery := 0.0
	seeds := size(o, max(o.Seeds, 1), 1)
	for run := range seeds {
		one := gather(cfg, c.crowd, o.SeedFor(c.name, run)) // the same world for every policy
		sum.add(one)
		if c.recovers {
			recovery += one.recovery(c.crowd) / float64(seeds)
		}
	}
	calls := float64(sum.calls)
	row := Row{
		Policy: policy.Name,
		Params: map[string]any{"group": c.group, "case": c.name, "waits": c.waits},
		Metrics: map[string]*float64{
			"success": Value(sum.success()), "load": Value(float64(sum.sent) / calls),
			"waste": Value(float64(sum.failedRetries) / calls), "added": Value(sum.percentile(.99) * 1000),
			"waiting": Value(float64(sum.mostWaiting)),
		},
	}
	if c.recovers {
		row.Metrics["recovery"] = Value(recovery)
	}
	return row
}

// judge gives evenkeel's rows and the user's their bars.
func (c togetherCase) judge(rows []Row) {
	least, soon := math.Inf(1), 0.0
	for _, r := range rows {
		switch r.Policy {
		case "retries-3", "aws":
			least = min(least, *r.Metrics["success"])
		case "none":
			if v := r.Metrics["recovery"]; v != nil {
				soon = 1.25**v + 5
			}
		}
	}
	for i := range rows {
		r := &rows[i]
		if r.Policy != "evenkeel" && r.Policy[:min(5, len(r.Policy))] != "user:" {
			continue
		}
		r.Bars = map[string]Bar{}
		if c.load > 0 {
			r.Bars["load"] = Bar{AtMost: c.load}
		}
		if c.waste > 0 {
			r.Bars["waste"] = Bar{AtMost: c.waste}
		}
		if c.near {
			r.Bars["success"] = Bar{AtLeast: least - .005}
		}
		if c.recovers && soon > 0 {
			r.Bars["recovery"] = Bar{AtMost: soon}
		}
		if c.added > 0 {
			r.Bars["added"] = Bar{AtMost: c.added * 1000}
		}
		if bar, ok := togetherFront[c.name]; ok && r.Policy == "evenkeel" {
			r.Bars = bar
		}
	}
}

// togetherFront are the bars of the default where rows conflict: what it gives away, and must not
// give away more.
var togetherFront = map[string]map[string]Bar{}

func init() {
	front := func(metric string, bar Bar, format string, args ...any) {
		togetherFront[fmt.Sprintf(format, args...)] = map[string]Bar{metric: bar}
	}
	// A quiet client whose call and retry failed has seen the same at p = .1 and at p = .4.
	for _, p := range []float64{.4, .5} {
		front("load", Bar{AtMost: 1.33}, "fresh, p=%v, 1000 clients", p)
	}
	front("load", Bar{AtMost: 1.32}, "after p=0.01, p=0.5, 1000")
	// A third of all attempts fail for five seconds: a partial outage.
	for _, n := range []int{10, 100, 1000} {
		front("success", Bar{AtLeast: .97}, "rolling restart of 3 pods, 5 s each, %d", n)
	}
	// A call ends at once while retries are stopped; waiting a second would win half a point
	// here, and cost every call that fails in an outage that second.
	for _, n := range []int{10, 100} {
		front("success", Bar{AtLeast: .978}, "dead for 0.2 s in 10, %d", n)
	}
	// Half a point below AWS, give or take what a few seeds show.
	front("success", Bar{AtLeast: .88}, "fan-out 100, p=0.1, each 20 s")
	// 200 calls of 5 s are more than the quota of resends, and it is not paid back before the
	// next cut.
	front("success", Bar{AtLeast: .1}, "200 calls of 5 s lost together, each 10 s")
}
