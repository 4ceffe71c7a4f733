package budget_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
)

// each runs f with five seeds (one with -short) and shows what came of it.
func each(t *testing.T, f fleet, check func(tally)) {
	t.Helper()
	if race {
		t.Skip("a simulation is one goroutine")
	}
	seeds := uint64(5)
	if testing.Short() {
		seeds = 1
	}
	for f.seed = 1; f.seed <= seeds; f.seed++ {
		r := f.run()
		t.Logf("seed %d: load %.4f, success %.4f", f.seed, r.load(), r.success())
		check(r)
	}
}

// bars holds the limits of one scenario, for the default and for Strict.
type bars struct {
	fleet                  fleet
	load, strictLoad       float64
	success, strictSuccess float64
}

func (b bars) test(t *testing.T) {
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprintf("strict=%v", strict), func(t *testing.T) {
			t.Parallel()
			f, load, success := b.fleet, b.load, b.success
			f.spec = budget.Adaptive{Strict: strict}
			if strict {
				load, success = b.strictLoad, b.strictSuccess
			}
			each(t, f, func(r tally) {
				require.LessOrEqual(t, r.load(), load)
				require.GreaterOrEqual(t, r.success(), success)
			})
		})
	}
}

func steady(clients int, p float64) fleet {
	return fleet{clients: clients, rate: 1000 / float64(clients), fail: constant(p), seconds: 60}
}

// outage returns 30 s of health and the first 10 s of a total outage.
func outage(clients int) fleet {
	return fleet{clients: clients, rate: 1000 / float64(clients), fail: outageAt(30), seconds: 40, from: 30, to: 40}
}

func with(f fleet, change func(*fleet)) fleet {
	change(&f)
	return f
}

// Retries that succeed are not rationed: a load of 1 + p + p² is what three attempts cost, and
// what fails of it is bounded.
func TestSimulation_RandomFailures(t *testing.T) {
	for p, want := range map[float64]bars{
		0.01: {load: 1.012, strictLoad: 1.012, success: 0.9999, strictSuccess: 0.9997},
		0.05: {load: 1.06, strictLoad: 1.06, success: 0.9995, strictSuccess: 0.996},
		0.1:  {load: 1.12, strictLoad: 1.12, success: 0.997, strictSuccess: 0.99},
		0.2:  {load: 1.25, strictLoad: 1.24, success: 0.95, strictSuccess: 0.93},
		0.3:  {load: 1.27, strictLoad: 1.25, success: 0.78, strictSuccess: 0.76},
		0.5:  {load: 1.12, strictLoad: 1.1, success: 0.51, strictSuccess: 0.505},
		0.75: {load: 1.02, strictLoad: 1.02, success: 0.245, strictSuccess: 0.245},
		1:    {load: 1.01, strictLoad: 1.01},
	} {
		want.fleet = steady(100, p)
		t.Run(fmt.Sprint(p), want.test)
	}
}

func TestSimulation_BusyClient(t *testing.T) {
	t.Run("0.01", bars{steady(1, 0.01), 1.012, 1.012, 0.9998, 0.9998}.test)
	t.Run("0.05", bars{steady(1, 0.05), 1.06, 1.06, 0.9995, 0.9995}.test)
	t.Run("0.1", bars{steady(1, 0.1), 1.12, 1.12, 0.998, 0.998}.test)
}

// A fleet of quiet clients in the first ten seconds of a partial outage: the most is at p = 0.4.
func TestSimulation_PartialOutage(t *testing.T) {
	for p, load := range map[float64][2]float64{0.2: {1.22, 1.2}, 0.4: {1.32, 1.23}, 0.5: {1.31, 1.21}, 0.7: {1.26, 1.18}, 0.9: {1.23, 1.13}} {
		f := fleet{clients: 1000, rate: 1, fail: constant(p), seconds: 10}
		t.Run(fmt.Sprint(p), bars{f, load[0], load[1], 0, 0}.test)
	}
}

// Retries take as long as calls do, and are not taken for silent while others succeed.
func TestSimulation_SlowCalls(t *testing.T) {
	for _, slow := range []float64{12, 20, 30} {
		f := fleet{clients: 1, rate: 10, fail: constant(0.05), slow: slow, seconds: 1200}
		t.Run(fmt.Sprint(slow), bars{f, 1.06, 1.06, 0.988, 0.988}.test)
	}
}

func TestSimulation_Outage(t *testing.T) {
	t.Run("1", bars{outage(1), 1.001, 1.001, 0, 0}.test)
	t.Run("10", bars{outage(10), 1.003, 1.002, 0, 0}.test)
	t.Run("100", bars{outage(100), 1.03, 1.02, 0, 0}.test)
	t.Run("1000", bars{outage(1000), 1.21, 1.11, 0, 0}.test)
}

func TestSimulation_HangingOutage(t *testing.T) {
	hang := func(f *fleet) { f.hang = 3 }
	t.Run("100", bars{with(outage(100), hang), 1.03, 1.02, 0, 0}.test)
	t.Run("1000", bars{with(outage(1000), hang), 1.21, 1.11, 0, 0}.test)
}

func TestSimulation_ThrottlingOutage(t *testing.T) {
	throttle := func(f *fleet) { f.because = budget.Overloaded }
	t.Run("100", bars{with(outage(100), throttle), 1.03, 1.02, 0, 0}.test)
	t.Run("1000", bars{with(outage(1000), throttle), 1.21, 1.11, 0, 0}.test)
}

// Hundreds of successes are under way when the outage begins.
func TestSimulation_OutageAfterSlowSuccesses(t *testing.T) {
	slow := func(f *fleet) { f.slow = 5 }
	t.Run("10", bars{with(outage(10), slow), 1.04, 1.04, 0, 0}.test)
	t.Run("100", bars{with(outage(100), slow), 1.03, 1.02, 0, 0}.test)
	t.Run("1000", bars{with(outage(1000), slow), 1.21, 1.11, 0, 0}.test)
}

func TestSimulation_OutageAfterFailures(t *testing.T) {
	limp := func(f *fleet) {
		f.fail = func(t float64) float64 {
			if t < 30 {
				return 0.05
			}
			return 1
		}
	}
	t.Run("1", bars{with(outage(1), limp), 1.005, 1.005, 0, 0}.test)
	t.Run("10", bars{with(outage(10), limp), 1.04, 1.04, 0, 0}.test)
	t.Run("100", bars{with(outage(100), limp), 1.04, 1.03, 0, 0}.test)
	t.Run("1000", bars{with(outage(1000), limp), 1.21, 1.11, 0, 0}.test)
}

func TestSimulation_Bursts(t *testing.T) {
	burst := func(f *fleet) { f.burst = 50 } // 50 calls at once, every five seconds on average
	t.Run("outage", bars{with(outage(100), burst), 1.03, 1.02, 0, 0}.test)
	t.Run("0.01", bars{with(steady(100, 0.01), burst), 1.02, 1.02, 0.9999, 0.9999}.test)
	t.Run("0.1", bars{with(steady(100, 0.1), burst), 1.12, 1.12, 0.998, 0.998}.test)
}

// A destination that is dead for 30 s of each minute: the tenth outage costs what the first one
// did.
func TestSimulation_Flapping(t *testing.T) {
	flap := fleet{clients: 1000, rate: 1, fail: func(t float64) float64 {
		if int(t)%60 < 30 {
			return 0
		}
		return 1
	}, seconds: 580, from: 570, to: 580}
	if testing.Short() {
		t.Skip()
	}
	t.Run("1000", bars{flap, 1.21, 1.11, 0, 0}.test)
}

// A long outage: one retry looks after a minute, another two minutes later, and so on.
func TestSimulation_LongOutage(t *testing.T) {
	f := fleet{clients: 1000, rate: 1, fail: outageAt(30), seconds: 330, from: 40, to: 330}
	if testing.Short() {
		t.Skip()
	}
	t.Run("1000", bars{f, 1.015, 1.015, 0, 0}.test)
}

func TestSimulation_OneCallAMinute(t *testing.T) {
	f := fleet{clients: 1000, every: 60, fail: constant(0.1), seconds: 3600}
	t.Run("0.1", bars{f, 1.12, 1.11, 0.995, 0.98}.test)
}

// The outage of a destination that is called once a minute: ten calls a client, of which the first
// has two retries.
func TestSimulation_OutageAtOneCallAMinute(t *testing.T) {
	f := fleet{clients: 1000, every: 60, fail: outageAt(600), seconds: 1200, from: 600, to: 1200}
	t.Run("1000", bars{f, 1.51, 1.43, 0, 0}.test)
}

// What no rule inside one process can hold: the numbers are the point of these two, not bars to be
// proud of.

func TestSimulation_TenThousandQuietClients(t *testing.T) {
	f := fleet{clients: 10_000, rate: 0.1, fail: outageAt(30), seconds: 40, from: 30, to: 40}
	t.Run("leaks", bars{f, 2.30, 1.66, 0, 0}.test)
}

func TestSimulation_RestartDuringOutage(t *testing.T) {
	f := with(outage(1000), func(f *fleet) { f.restarts = 5 }) // each process lives 5 s: three starts in 10 s
	t.Run("leaks", bars{f, 1.55, 1.32, 0, 0}.test)
}
