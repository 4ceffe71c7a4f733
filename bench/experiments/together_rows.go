package experiments

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/evenkeel-go/evenkeel/budget"
)

// together's rows: what users meet where failures come together, and what a fleet must not do
// meanwhile.

// crowdRow is one scenario and what it must hold. Bars that are zero are none.
type crowdRow struct {
	group    int
	name     string
	crowd    crowd
	load     float64 // the most
	waste    float64 // the most failed retries per call
	near     bool    // success is within half a point of the lower of oracle and AWS
	recovers bool    // goodput is back as soon as without retries, within a quarter and five seconds
	added    float64 // the most that a call which fails waits, at the 99th percentile
	full     bool    // not with -quick
}

// failing returns a world in which attempts fail at once with a probability that depends on the
// time.
func failing(p func(t float64) float64) world {
	return func(rng *rand.Rand, t float64, _ int) fate {
		if rng.Float64() < p(t) {
			return fate{failed: budget.Failed}
		}
		return fate{}
	}
}

func always(p float64) func(float64) float64 { return func(float64) float64 { return p } }

func fromThen(at, before, after float64) func(float64) float64 {
	return func(t float64) float64 {
		if t < at {
			return before
		}
		return after
	}
}

func crowdRows() []crowdRow {
	var rows []crowdRow
	for _, group := range []func() []crowdRow{
		outageRows, partialRows, steadyRows, cutRows, burstRows, slowRows, recoveryRows,
		grayRows, addedRows,
	} {
		rows = append(rows, group()...)
	}
	return rows
}

// outageRows covers the first ten seconds of a total outage.
func outageRows() (rows []crowdRow) {
	add := func(name string, load float64, change func(*crowd)) {
		c := crowd{clients: 100, rate: 1000, leg: .01, seconds: 40, from: 30, to: 40, world: failing(fromThen(30, 0, 1))}
		change(&c)
		rows = append(rows, crowdRow{group: 1, name: name, crowd: c, load: load, full: c.clients > 1000 || c.seconds > 100})
	}
	for _, n := range []int{1, 10, 100, 1000} {
		most := 1.05
		if n == 1000 {
			most = 1.205
		}
		add(fmt.Sprintf("outage, %d clients", n), most, func(c *crowd) { c.clients = n })
		add(fmt.Sprintf("outage of 5 s successes, %d", n), most, func(c *crowd) { c.clients, c.slow = n, 5 })
		if n >= 100 {
			add(fmt.Sprintf("outage that hangs for 3 s, %d", n), most, func(c *crowd) {
				c.clients, c.timeout = n, 3
				c.world = func(_ *rand.Rand, t float64, _ int) fate { return fate{hangs: t >= 30} }
			})
			add(fmt.Sprintf("outage after p=.05, %d", n), most, func(c *crowd) {
				c.clients, c.world = n, failing(fromThen(30, .05, 1))
			})
		}
	}
	add("outage, 10,000 of a call each 10 s", 0, func(c *crowd) { c.clients = 10_000 })
	add("outage, 1,000 restarted each 5 s", 0, func(c *crowd) { c.clients, c.restarts = 1000, 5 })
	add("outage, 100 by Zipf", 1.05, func(c *crowd) { c.zipf = true })
	add("outage, 1,000 each second", 1.205, func(c *crowd) { c.clients, c.every = 1000, 1 })
	add("outage, 100 on for 1 s in 5", 1.05, func(c *crowd) { c.on, c.off, c.rate = 1, 4, 5000 })
	add("outage, 50 at once", 1.05, func(c *crowd) { c.burst = 50 })
	add("outage of ten minutes, 1,000", 1.02, func(c *crowd) { c.clients, c.seconds, c.to = 1000, 630, 630 })
	return rows
}

// partialRows covers the first ten seconds of a partial outage, and what it wastes in the long
// run.
func partialRows() (rows []crowdRow) {
	for _, n := range []int{100, 1000} {
		for _, p := range []float64{.2, .3, .4, .5, .6, .7, .8, .9} {
			rows = append(rows, crowdRow{
				group: 2, name: fmt.Sprintf("fresh, p=%v, %d clients", p, n), load: 1.3,
				crowd: crowd{clients: n, rate: 1000, leg: .01, seconds: 10, world: failing(always(p))},
			})
		}
		for _, before := range []float64{.01, .1} {
			for _, p := range []float64{.3, .5, .7, .9} {
				rows = append(rows, crowdRow{
					group: 2, name: fmt.Sprintf("after p=%v, p=%v, %d", before, p, n), load: 1.3,
					crowd: crowd{clients: n, rate: 1000, leg: .01, seconds: 70, from: 60, world: failing(fromThen(60, before, p))},
				})
			}
		}
		for _, p := range []float64{.2, .3, .5, .7, .9} {
			rows = append(rows, crowdRow{
				group: 2, name: fmt.Sprintf("minutes 5–10, p=%v, %d", p, n), waste: .125, full: true,
				crowd: crowd{clients: n, rate: 1000, leg: .01, seconds: 600, from: 300, world: failing(always(p))},
			})
		}
	}
	return rows
}

// steadyRows covers the random failures of everyday use.
func steadyRows() (rows []crowdRow) {
	for _, p := range []float64{.01, .05, .1, .2, .3} {
		add := func(name string, full bool, c crowd) {
			c.leg, c.world = .01, failing(always(p))
			rows = append(rows, crowdRow{group: 3, name: fmt.Sprintf("p=%v, %s", p, name), near: p <= .1, full: full, crowd: c})
		}
		add("minute 1, 100 × 10/s", false, crowd{clients: 100, rate: 1000, seconds: 60})
		add("minute 1, 1,000 × 1/s", false, crowd{clients: 1000, rate: 1000, seconds: 60})
		add("minutes 5–10, 100 × 10/s", true, crowd{clients: 100, rate: 1000, seconds: 600, from: 300})
		add("minutes 5–10, 1,000 × 1/s", true, crowd{clients: 1000, rate: 1000, seconds: 600, from: 300})
		add("one of 1,000/s", false, crowd{clients: 1, rate: 1000, seconds: 60})
		add("one of 10,000/s", true, crowd{clients: 1, rate: 10_000, seconds: 30})
		add("quiet, 0.1/s", false, crowd{clients: 100, rate: 10, seconds: 3600})
		add("100 by Zipf", false, crowd{clients: 100, rate: 1000, zipf: true, seconds: 60})
	}
	for _, n := range []int{100, 1000} {
		rows = append(rows, crowdRow{
			group: 3, name: fmt.Sprintf("p=.05, the minute after an outage, %d", n), near: true,
			crowd: crowd{clients: n, rate: 1000, leg: .01, seconds: 120, from: 60, world: failing(func(t float64) float64 {
				if t >= 30 && t < 60 {
					return 1
				}
				return .05
			})},
		})
	}
	return rows
}

// cutRows covers connections lost with calls in flight.
func cutRows() (rows []crowdRow) {
	for _, takes := range []float64{.1, 1, 5} {
		for _, n := range []int{10, 50, 200} {
			c := crowd{clients: 1, rate: float64(n) / takes, slow: takes, cuts: 1.2*takes + .5, cutOnce: true, seconds: 1.2*takes + 10}
			name := fmt.Sprintf("%d calls of %v s lost together", n, takes)
			rows = append(rows, crowdRow{group: 4, name: name + ", fresh", crowd: c, near: true})
			c.warm = 1000
			rows = append(rows, crowdRow{group: 4, name: name + ", warm", crowd: c, near: true})
			c.warm, c.cutOnce = 0, false
			for _, each := range []float64{10, 60} {
				c.cuts, c.seconds = each, 10*each+1
				rows = append(rows, crowdRow{
					group: 4, name: fmt.Sprintf("%s, each %v s", name, each), crowd: c, near: true,
					full: each > 10,
				})
			}
		}
	}
	return rows
}

// burstRows covers calls that start together.
func burstRows() (rows []crowdRow) {
	for _, p := range []float64{.05, .1} {
		for _, n := range []int{20, 100} {
			for _, each := range []float64{1, 20} {
				rows = append(rows, crowdRow{
					group: 4, name: fmt.Sprintf("fan-out %d, p=%v, each %v s", n, p, each), near: true,
					crowd: crowd{clients: 10, every: each, burst: n, fanOut: true, leg: .01, seconds: 200 * each, world: failing(always(p))},
				})
			}
			for _, each := range []float64{60, 300} {
				rows = append(rows, crowdRow{
					group: 4, name: fmt.Sprintf("batch of %d, p=%v, each %v s", n, p, each), near: true,
					crowd: crowd{clients: 10, every: each, burst: n, leg: .01, seconds: 40 * each, world: failing(always(p))},
				})
			}
		}
	}
	ten := crowd{clients: 1, rate: 10, slow: 1, cuts: 60, seconds: 1200}
	rows = append(rows, crowdRow{group: 4, name: "ten die each minute", crowd: ten, near: true})
	for _, e := range []budget.Evidence{budget.Failed, budget.Lost} {
		name := "stale pool, failed"
		if e == budget.Lost {
			name = "stale pool, lost"
		}
		rows = append(rows, crowdRow{group: 4, name: name, near: true, crowd: crowd{
			clients: 10, every: 120,
			burst: 20, leg: .01, seconds: 3600, world: func(_ *rand.Rand, _ float64, n int) fate {
				if n == 1 {
					return fate{failed: e}
				}
				return fate{}
			},
		}})
	}
	return rows
}

// slowRows covers slow calls, and failures that come and go.
func slowRows() (rows []crowdRow) {
	for _, takes := range []float64{0, 5} {
		for _, n := range []int{10, 100} {
			rows = append(rows, crowdRow{
				group: 4, name: fmt.Sprintf("5 s latency, 12 s deadline, p=.05 after %v s, %d", takes, n),
				near: true, crowd: crowd{
					clients: n, rate: 100, deadline: 12, slow: 5, leg: .01, seconds: 600,
					world: func(rng *rand.Rand, _ float64, _ int) fate {
						if rng.Float64() < .05 {
							return fate{failed: budget.Failed, took: takes}
						}
						return fate{}
					},
				},
			})
		}
	}
	for _, n := range []int{10, 100, 1000} {
		c := crowd{clients: n, rate: 1000, leg: .01, seconds: 120}
		c.world = failing(func(t float64) float64 {
			if t > 1 && math.Mod(t, 10) < .2 {
				return 1
			}
			return 0
		})
		rows = append(rows, crowdRow{group: 4, name: fmt.Sprintf("dead for 0.2 s in 10, %d", n), crowd: c, near: true})
		for _, pods := range []int{3, 10} {
			for _, gone := range []float64{1, 5} {
				c.world = func(rng *rand.Rand, t float64, _ int) fate {
					if rng.IntN(pods) == int(math.Floor(t/10))-1 && math.Mod(t, 10) < gone {
						return fate{failed: budget.Failed}
					}
					return fate{}
				}
				rows = append(rows, crowdRow{
					group: 4, name: fmt.Sprintf("rolling restart of %d pods, %v s each, %d", pods, gone, n),
					crowd: c, near: true,
				})
			}
		}
	}
	return rows
}

// recoveryRows simulates a server of 300 attempts a second that stops, and goes on with what
// nobody waits for.
func recoveryRows() (rows []crowdRow) {
	for _, n := range []int{1, 10, 100} {
		for _, load := range []float64{140, 200, 250, 280, 290} {
			rows = append(rows, crowdRow{
				group: 5, name: fmt.Sprintf("server stops for 10 s, %v/s, %d clients", load, n), recovers: true,
				full: load > 200, crowd: crowd{
					clients: n, rate: load, attempts: 2, timeout: 1, capacity: 300,
					stopped: [2]float64{20, 30}, seconds: 700,
				},
			})
		}
	}
	for _, n := range []int{10, 100} {
		rows = append(rows, crowdRow{
			group: 5, name: fmt.Sprintf("… and resets connections at 400 waiting, 250/s, %d", n),
			recovers: true, crowd: crowd{
				clients: n, rate: 250, timeout: 1, capacity: 300, resets: 400, stopped: [2]float64{20, 30},
				seconds: 300,
			},
		})
		rows = append(rows, crowdRow{
			group: 5, name: fmt.Sprintf("resets connections at 100 waiting, 400/s for 300, %d", n),
			load: 1.3, crowd: crowd{clients: n, rate: 400, timeout: 1, capacity: 300, resets: 100, seconds: 60},
		})
	}
	return rows
}

// grayRows covers failures that hang.
func grayRows() (rows []crowdRow) {
	for _, n := range []int{1, 100, 1000} {
		rows = append(rows, crowdRow{
			group: 6, name: fmt.Sprintf("10 %% hang, attempts of 1 s, %d clients", n), near: true,
			crowd: crowd{clients: n, rate: 1000, timeout: 1, leg: .01, seconds: 120, world: func(rng *rand.Rand, _ float64, _ int) fate {
				return fate{hangs: rng.Float64() < .1}
			}},
		}, crowdRow{
			group: 6, name: fmt.Sprintf("5 %% fail and 2 %% hang till the deadline, %d", n), near: true,
			crowd: crowd{clients: n, rate: 1000, deadline: 5, leg: .01, seconds: 120, world: func(rng *rand.Rand, _ float64, _ int) fate {
				switch u := rng.Float64(); {
				case u < .05:
					return fate{failed: budget.Failed}
				case u < .07:
					return fate{hangs: true}
				}
				return fate{}
			}},
		})
	}
	return rows
}

// addedRows returns the waits of calls that fail in an outage, after its first second.
func addedRows() (rows []crowdRow) {
	for _, n := range []int{1, 100, 1000} {
		for _, p := range []float64{0, .05} {
			rows = append(rows, crowdRow{
				group: 7, name: fmt.Sprintf("outage after p=%v from its second second, %d clients", p, n),
				added: .15, crowd: crowd{clients: n, rate: 1000, leg: .01, seconds: 40, from: 31, world: failing(fromThen(30, p, 1))},
			})
		}
	}
	return rows
}
