package fleet

import (
	"slices"
	"time"
)

// conditions is the sum of all faults from one point in time to the next.
type conditions struct {
	from     int64         // ns since the start
	fail     float64       // probability that an attempt fails at once
	throttle float64       // … of those that do not: that it is turned away
	after    time.Duration // how long those are asked to wait
	hang     float64       // … of the rest: that it is never answered
	capacity float64       // what is left of the server's rate, as a share
	slow     int64         // ns on top of each answer
	load     float64       // factor on the rate of calls
}

// timelines cuts time where a fault begins or ends, for every replica of the server.
func timelines(s Scenario) [][]conditions {
	times := []time.Duration{0}
	for _, f := range s.Faults {
		times = append(times, f.From, f.To)
	}
	slices.Sort(times)
	times = slices.Compact(times)
	lines := make([][]conditions, s.Replicas.N)
	for r := range lines {
		for _, at := range times {
			lines[r] = append(lines[r], conditionsAt(s.Faults, r+1, at))
		}
	}
	return lines
}

func conditionsAt(faults []Fault, replica int, at time.Duration) conditions {
	ok, accepted, answered := 1.0, 1.0, 1.0
	c := conditions{from: int64(at), capacity: 1, load: 1}
	for _, f := range faults {
		if at < f.From || at >= f.To || f.Replica != 0 && f.Replica != replica {
			continue
		}
		ok *= 1 - f.Fail
		accepted *= 1 - f.Throttle
		answered *= 1 - f.Hang
		c.after = max(c.after, f.After)
		c.capacity *= 1 - f.Cut
		c.slow = min(c.slow+int64(f.Slow), int64(longest))
		if f.Load > 0 {
			c.load *= f.Load
		}
	}
	c.fail, c.throttle, c.hang = 1-ok, 1-accepted, 1-answered
	return c
}
