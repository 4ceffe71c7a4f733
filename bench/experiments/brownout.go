package experiments

import (
	"time"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/budget"
)

var brownout = Experiment{
	Name:   "brownout",
	About:  "does a replicated store recover when its capacity is cut for ten seconds?",
	Source: `"Metastable Failures in the Wild" (OSDI'22), section 5.2; case b under other policies: a fluid model of it`,
	Setup:  "100 clients, timeout 3 s, up to 4 immediate retries; a server of 16,500 calls/s, whose capacity is cut.",
	Words: []Word{
		{"case a", "78 % of the capacity is gone for 10 s, at 6,200 calls/s; the paper's store recovers"},
		{"case b", "80 % for 10 s, at 6,200 calls/s; it never recovers"},
		{"case c", "80 % for 9 s, at 6,200 calls/s; it recovers"},
		{"case d", "80 % for 10 s, at 4,200 calls/s; it recovers"},
		{"executes", "the paper's server, which does the work of callers who have given up; evenkeel-client is evenkeel's client before it"},
		{"drops", "a server that does not: the rows -drops, and evenkeel with its server side"},
		{"peak", "the load of the worst second"},
		{"recovery", "from the cut until goodput is back"},
		{"lost", "calls made until recovery that had not succeeded by then"},
		{"failed", "calls that never succeeded"},
	},
	Params:  []string{"case", "server"},
	Metrics: []Metric{{"peak", "", Times}, {"recovery_s", "recovery", Seconds}, {"lost", "", Count}, {"failed", "", Count}},
	Run:     runBrownout,
}

// brownoutCase is a cut of the capacity.
type brownoutCase struct {
	name  string
	cut   float64
	lasts time.Duration
	rate  float64
	stays bool // with the naive policy and a server that executes expired work it never recovers
}

var brownoutCases = []brownoutCase{
	{"a", .78, 10 * time.Second, 6200, false},
	{"b", .80, 10 * time.Second, 6200, true},
	{"c", .80, 9 * time.Second, 6200, false},
	{"d", .80, 10 * time.Second, 4200, false},
}

// cutAt is sooner than the paper's 60 s: the state before it is steady.
const cutAt = 10 * time.Second

type brownoutCell struct {
	policy Policy
	brownoutCase
	drops bool
}

func runBrownout(o Options) ([]Row, error) {
	bucket := atOnce("brooker", 5, budget.TokenBucket{})
	policies := []Policy{
		policyNamed("none"), policyNamed("retries-3").as("retries-4"), bucket, policyNamed("evenkeel"),
	}
	policies = append(policies, o.User...)
	var cells []brownoutCell
	for _, p := range policies {
		for _, c := range brownoutCases {
			for _, drops := range []bool{false, true} {
				cells = append(cells, brownoutCell{p.attempts(5).timeout(3 * time.Second), c, drops})
			}
		}
	}
	return o.Each(len(cells), func(i int) (Row, error) { return cells[i].run(o) })
}

func (c brownoutCell) server() string {
	if c.drops {
		return "drops"
	}
	return "executes"
}

// row returns the row's name, which no other row of the case has.
func (c brownoutCell) row() string {
	switch {
	case c.policy.Name == "evenkeel" && !c.drops:
		return "evenkeel-client" // with its server side expired work is dropped
	case c.policy.Name != "evenkeel" && c.drops:
		return c.policy.Name + "-drops"
	}
	return c.policy.Name
}

func (c brownoutCell) run(o Options) (Row, error) {
	part := size(o, 1.0, 8) // a quick run is of a fleet of an eighth
	s := fleet.Scenario{
		Clients:  int(100 / part),
		Load:     fleet.Load{Rate: c.rate / part},
		Server:   fleet.Server{Rate: 16_500 / part, Drops: c.drops},
		Faults:   []fleet.Fault{{From: cutAt, To: cutAt + c.lasts, Cut: c.cut}},
		Duration: cutAt + 60*time.Second,
		Drain:    16 * time.Second,
		Settle:   true,
		Seed:     o.SeedFor(c.policy.Name, c.name, c.server()),
	}
	r, err := fleet.Run(c.policy.Config, s)
	if err != nil {
		return Row{}, err
	}
	calls := func(n int) *float64 { return Value(float64(n) * part) }
	row := Row{
		Policy: c.row(),
		Params: map[string]any{"case": c.name, "server": c.server()},
		Metrics: map[string]*float64{
			"peak": Value(r.Peak(cutAt, s.Duration)), "failed": calls(r.Lost()), "recovery_s": nil,
		},
	}
	after, ok := r.Recovered(cutAt, s.Duration)
	if ok {
		row.Metrics["recovery_s"] = Value(after.Seconds())
	} else {
		after = s.Duration - cutAt
	}
	row.Metrics["lost"] = calls(r.Missing(cutAt, cutAt+after))
	c.compare(&row)
	return row, nil
}

// compare adds what the paper and the fluid model have for this cell.
func (c brownoutCell) compare(row *Row) {
	fluid := share(.15)
	switch name := c.policy.Name; {
	case name == "retries-4" && !c.drops && c.stays:
		row.publish("recovery_s", Never, fluid)
	case name == "retries-4" && !c.drops:
		row.Bars = map[string]Bar{"recovery_s": {AtMost: 60}}
	case c.name != "b":
	case name == "none" && !c.drops:
		row.publish("recovery_s", 11, fluid)
		row.publish("lost", 47_106, fluid)
	case name == "brooker" && !c.drops:
		row.publish("peak", 1.14, share(.05))
		row.publish("recovery_s", 11, fluid)
		row.publish("lost", 47_106, fluid)
	case name == "retries-4" && c.drops:
		row.publish("peak", 1.75, fluid)
		row.publish("recovery_s", 10, fluid)
		row.publish("lost", 29_000, fluid)
	case name == "brooker" && c.drops:
		row.publish("peak", 1.14, share(.05))
		row.publish("recovery_s", 10, fluid)
		row.publish("lost", 29_000, fluid)
	case name == "evenkeel" && c.drops:
		// The peak is after the cut, when calls that waited get through; while it lasts it is at
		// most 1.14.
		row.Bars = map[string]Bar{"peak": {AtMost: 1.7}, "recovery_s": {AtMost: 11}, "lost": {AtMost: 30_000}}
	}
}
