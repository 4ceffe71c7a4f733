package fleet

// loadgen computes the time of a client's next call. The rate may change with time: a client's
// calls are a process of constant rate in stretched time.
type loadgen struct {
	Load
	gap   float64 // ns between the occasions on which one client calls, at a load of 1
	until int64   // no calls from then on
}

func newLoadgen(s Scenario) loadgen {
	return loadgen{Load: s.Load, gap: 1e9 * float64(s.Clients*s.Load.Burst) / s.Load.Rate, until: int64(s.Duration)}
}

// first schedules each client's first calls.
func (s *sim) first() {
	for i := range uint32(s.hops[0].n) {
		gap := s.load.gap
		if s.load.Periodic {
			gap *= s.rng.Float64()
		} else {
			gap *= s.rng.ExpFloat64()
		}
		s.occasion(i, gap)
	}
}

// arrive makes a client's calls, and schedules its next.
func (s *sim) arrive(client uint32) {
	for range s.load.Burst {
		s.begin(0, client, root, s.patience())
	}
	if s.load.Loop != NoLoop {
		return
	}
	gap := s.load.gap
	if !s.load.Periodic {
		gap *= s.rng.ExpFloat64()
	}
	s.occasion(client, gap)
}

func (s *sim) patience() int64 {
	if s.scenario.Deadline == 0 {
		return never
	}
	return s.now + int64(s.scenario.Deadline)
}

// occasion schedules a client's next calls after so many ns of stretched time.
func (s *sim) occasion(client uint32, gap float64) {
	at := s.now
	line := s.timeline[0] // a fault of one server does not change the load
	for i := s.era; ; i++ {
		factor := line[i].load
		if i+1 == len(line) {
			at += bounded(gap / factor)
			break
		}
		room := float64(line[i+1].from-at) * factor
		if gap < room {
			at += bounded(gap / factor)
			break
		}
		gap -= room
		at = line[i+1].from
	}
	if at < s.load.until {
		s.schedule(at, arrive, client, 0)
	}
}
