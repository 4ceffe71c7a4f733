package experiments

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
)

var occ = Experiment{
	Name:   "occ",
	About:  "how much work, and how long, until N clients that all want the same row have had it?",
	Source: `AWS Architecture Blog, "Exponential Backoff and Jitter": its model, 200 runs; agreement is three standard errors`,
	Setup: "Each client reads a row's version and writes; a write with an old version fails, and the client backs off and reads " +
		"again. All begin at once. A message takes |Normal(10, 2)|, backoff is from 5 to 2,000.",
	Words: []Word{
		{"calls", "writes, of all clients together"},
		{"time", "until the last client has its answer, in milliseconds"},
		{"smooth", "backoff.SmoothDecorrelated"},
		{"spread", "backoff.DecorrelatedJitter, which keeps its jitter at the cap"},
	},
	Params:  []string{"clients", "jitter"},
	Metrics: []Metric{{"calls", "", Count}, {"time", "", Count}},
	Pivot:   "jitter",
	Brief:   func(r Row) bool { return slices.Contains([]any{10, 50, 100, 200}, r.Params["clients"]) },
	Run:     runOCC,
}

// The article's unit of time is a millisecond here.
const (
	occBase = 5 * time.Millisecond
	occCap  = 2000 * time.Millisecond
)

// occJitters are the strategies in the order of the table. The article's first backoff is twice
// its base.
var occJitters = []struct {
	name    string
	backoff backoff.Strategy
}{
	{"none", backoff.None()},
	{"exponential", backoff.Exponential(2*occBase, occCap)},
	{"equal", backoff.EqualJitter(2*occBase, occCap)},
	{"full", backoff.FullJitter(2*occBase, occCap)},
	{"decorrelated", backoff.Cap(backoff.DecorrelatedJitter(occBase, math.MaxInt64), occCap)},
	{"spread", backoff.DecorrelatedJitter(occBase, occCap)},
	{"smooth", backoff.SmoothDecorrelated(2*occBase, occCap)},
}

// occCell is one cell of the table.
type occCell struct {
	policy, jitter string
	backoff        backoff.Strategy
	clients        int
}

func runOCC(o Options) ([]Row, error) {
	var cells []occCell
	for clients := 10; clients <= 200; clients += 10 {
		for _, j := range occJitters {
			cells = append(cells, occCell{"evenkeel", j.name, j.backoff, clients})
		}
	}
	for _, user := range o.User {
		p, err := retry.New(user.Config)
		if err != nil {
			return nil, err
		}
		for clients := 10; clients <= 200; clients += 10 {
			cells = append(cells, occCell{user.Name, "own", p.Config().Backoff, clients})
		}
	}
	trials := size(o, occTrials, 10)
	published, err := readOCC()
	if err != nil {
		return nil, err
	}
	return o.Each(len(cells), func(i int) (Row, error) { return cells[i].row(o, trials, published) })
}

func (c occCell) row(o Options, trials int, published map[string]occPublished) (Row, error) {
	rng := rand.New(rand.NewPCG(o.SeedFor(c.policy, c.jitter, c.clients), 0))
	calls, took, err := c.run(rng, trials)
	row := Row{
		Policy:  c.policy,
		Params:  map[string]any{"clients": c.clients, "jitter": c.jitter},
		Metrics: map[string]*float64{"calls": Value(calls), "time": Value(took)},
	}
	if want, ok := published[occKey(c.clients, c.jitter)]; ok {
		row.publish("calls", want.calls, standardErrors(3, want.callsSD, trials))
		row.publish("time", want.time, standardErrors(3, want.timeSD, trials))
	}
	return row, err
}

// standardErrors tests the agreement of two means within n standard errors of their difference:
// one of the published trials, one of ours. The published figures are rounded to a tenth.
func standardErrors(n, sd float64, trials int) Within {
	return Within{Abs: n*sd*math.Sqrt(1./occTrials+1/float64(trials)) + .05}
}

// run returns the mean writes and time, in milliseconds, of so many trials.
func (c occCell) run(rng *rand.Rand, trials int) (calls, took float64, err error) {
	// Neither a budget nor MaxAttempts is in the model: a client goes on until it has written.
	p, err := retry.New(
		retry.Config{MaxAttempts: retry.Unlimited, Backoff: c.backoff, Budget: budget.Unlimited{}},
		retry.WithRand(rng.Float64),
	)
	if err != nil {
		return 0, 0, err
	}
	r := newOCCRace(c.clients, p, rng)
	for range trials {
		writes, end := r.run()
		calls += float64(writes)
		took += float64(end) / float64(time.Millisecond)
	}
	return calls / float64(trials), took / float64(trials), nil
}

func occKey(clients int, jitter string) string { return fmt.Sprint(clients, " ", jitter) }
