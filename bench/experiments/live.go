package experiments

import (
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/evenkeel-go/evenkeel/bench/live"
)

var liveServers = Experiment{
	Name:   "live",
	About:  "do real HTTP and gRPC clients and servers come to what the simulator says?",
	Source: "the simulator, with the same clients, calls and faults, and the latencies measured; they must agree within 3 points",
	Setup: "Real servers on the loopback interface that fail as told (503, UNAVAILABLE), called through httpx and grpcx: " +
		"4 clients of 50 calls/s each (Poisson), legs exponential with mean 10 ms, immediate retries.",
	Words: []Word{
		{"outage", "all attempts fail"},
		{"faults-5, faults-10", "5 or 10 attempts in 100 fail"},
		{"points apart", "the larger difference from the simulator, of load and of success, in hundredths"},
	},
	Params: []string{"transport", "scenario"},
	Metrics: []Metric{
		{"load", "", Times},
		{"success", "success, %", Percent},
		{"sim_load", "simulated load", Times},
		{"sim_success", "simulated success, %", Percent},
		{"off", "points apart", Percent},
	},
	Alone: true,
	Run: func(o Options) ([]Row, error) {
		return runLive(o, live.Fleet{
			Clients: 4, Rate: 200, Healthy: size(o, time.Second, time.Second/2), Faulty: size(o, 5*time.Second, 2*time.Second),
		})
	},
}

// liveApart is how far reality may be from the simulator.
const liveApart = .03

var (
	wires         = []live.Wire{live.HTTP, live.GRPC}
	liveScenarios = []liveScenario{{"outage", 100}, {"faults-5", 5}, {"faults-10", 10}}
)

// liveScenario is the behavior of a live server.
type liveScenario struct {
	name    string
	percent int // of attempts that fail
}

// liveCell is one row of live.
type liveCell struct {
	policy   Policy
	over     live.Wire
	scenario liveScenario
	fleet    live.Fleet
}

func liveCells(o Options, f live.Fleet) []liveCell {
	var cells []liveCell
	for _, policy := range o.Policies("retries-3", "evenkeel") {
		for _, over := range wires {
			for _, s := range liveScenarios {
				f.Percent, f.Seed = s.percent, o.SeedFor(policy.Name, over.Name, s.name)
				cells = append(cells, liveCell{policy, over, s, f})
			}
		}
	}
	return cells
}

// runLive asks a machine that is too busy for the fleet for half of the calls a second, in twice
// the time, and no more often than liveTries: then its figures are what they are.
func runLive(o Options, f live.Fleet) ([]Row, error) {
	for try := 1; ; try++ {
		cells := liveCells(o, f)
		seen, err := measureAll(o, cells)
		if err != nil {
			return nil, err
		}
		if try < liveTries && slices.ContainsFunc(seen, live.Measured.Starved) {
			f = f.Slower()
			continue
		}
		return o.Each(len(cells), func(i int) (Row, error) { return cells[i].compare(seen[i]) })
	}
}

const liveTries = 3

func measureAll(o Options, cells []liveCell) ([]live.Measured, error) {
	seen := make([]live.Measured, len(cells))
	return seen, o.together(len(cells), func(i int) (err error) {
		seen[i], err = cells[i].fleet.Run(cells[i].policy.Config, cells[i].over)
		return err
	})
}

// together calls cell for 0 to n-1 all at once. It is for what waits more than it computes.
func (o Options) together(n int, cell func(i int) error) error {
	o.expect(n)
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			errs[i] = cell(i)
			o.done()
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// compare returns the row of the real servers' figures beside the simulator's.
func (c liveCell) compare(m live.Measured) (Row, error) {
	sim, err := c.fleet.Simulated(c.policy.Config, c.over.Name == live.HTTP.Name, m)
	return Row{
		Policy: c.policy.Name,
		Params: map[string]any{"transport": c.over.Name, "scenario": c.scenario.name},
		Metrics: map[string]*float64{
			"load": Value(m.Load()), "sim_load": Value(sim.Load()),
			"success": Value(m.Success()), "sim_success": Value(sim.Success()),
			"off": Value(max(math.Abs(m.Load()-sim.Load()), math.Abs(m.Success()-sim.Success()))),
		},
		Bars: c.bars(),
	}, err
}

// bars returns the limits of a policy of ours; a user's has none.
func (c liveCell) bars() map[string]Bar {
	if c.policy.user {
		return nil
	}
	bars := map[string]Bar{"off": {AtMost: liveApart}}
	switch {
	case c.scenario.name == "faults-5":
		bars["success"] = Bar{AtLeast: .99}
	case c.scenario.name == "outage" && c.policy.Name == "evenkeel":
		bars["load"] = Bar{AtMost: 1.15}
	case c.scenario.name == "outage":
		bars["load"] = Bar{AtLeast: 2.5}
	}
	return bars
}
