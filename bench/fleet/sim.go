package fleet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/evenkeel-go/evenkeel/bench/internal/events"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
)

// ErrRunaway is returned when a run does not come to an end within a billion events, or stays at
// one point in time: a policy without any limit that retries at once, most likely.
var ErrRunaway = errors.New("fleet: the run does not end (MaxAttempts, Backoff, Hedge and Budget without limit or wait?)")

const (
	maxEvents   = 1e9
	maxCrowd    = 1e6 // events at one point in time, and as many more
	crowdOfCall = 100 // for each call that the clients can make at once
)

// epoch is when a run starts, for the policy. Any time would do.
var epoch = time.Unix(1_000_000_000, 0)

// sim is one run.
type sim struct {
	scenario Scenario
	rng      *rand.Rand
	network  Delay

	queue  queue
	events uint64
	most   uint64 // events before it is taken for a runaway
	crowd  uint64 // events at one time before it is
	start  time.Time
	now    int64 // ns since start
	time   time.Time

	hops     []*callers // the clients, and each service
	load     loadgen
	calls    events.Slots[callState]
	attempts events.Slots[attempt]
	servers  []server
	paces    []retry.Pace      // of the clients, if they loop at one
	tops     Tally             // of the most important calls
	answers  []*budget.Answers // of the servers, if they have any
	timeline [][]conditions    // of each server, with the same times
	era      int               // the conditions that hold now, in timeline
	bins     bins
	took     histogram
	review   int64 // when to see whether goodput is back
	watch    watch
}

// Run runs a scenario on a policy. Its error is the scenario's, the policy's (see also Bounded),
// or ErrRunaway.
func Run(policy retry.Config, scenario Scenario) (*Result, error) {
	return Watch(policy, scenario, nil)
}

func newSim(policy retry.Config, scenario Scenario) (*sim, error) {
	if err := scenario.check(policy); err != nil {
		return nil, err
	}
	scenario = scenario.withDefaults()
	s := &sim{
		scenario: scenario,
		rng:      newRand(scenario.Seed),
		network:  scenario.Network,
		most:     maxEvents,
		crowd:    maxCrowd + crowdOfCall*uint64(scenario.Clients)*uint64(scenario.Load.Burst),
		start:    epoch,
		time:     epoch,
		load:     newLoadgen(scenario),
		timeline: timelines(scenario),
		answers:  scenario.Answers.budgets(),
	}
	for i := range scenario.Replicas.N {
		s.servers = append(s.servers, server{Server: scenario.Server, rate: scenario.Server.Rate, number: uint32(i)})
	}
	if scenario.Load.Loop == Paced {
		s.paces = make([]retry.Pace, scenario.Clients)
	}
	clients, err := newCallers(policy, scenario.Clients, s.rng.Float64)
	if err != nil {
		return nil, err
	}
	s.hops = append(s.hops, clients)
	for i, v := range scenario.Services {
		cfg := policy
		if v.Policy != nil {
			cfg = *v.Policy
		}
		hop, err := newCallers(cfg, max(v.Instances, 1), s.rng.Float64)
		if err != nil {
			return nil, fmt.Errorf("Services[%d].Policy: %w", i, err)
		}
		hop.tell = v.Tell
		s.hops = append(s.hops, hop)
	}
	s.hops[len(s.hops)-1].balance(scenario.Replicas)
	return s, nil
}

func (s *sim) run() error {
	for _, c := range s.timeline[0][1:] {
		s.schedule(c.from, shift, 0, 0)
	}
	s.change(0)
	for i, f := range s.scenario.Faults {
		if f.Restart {
			s.restarts(f)
		}
		if f.Lose > 0 && f.From < f.To {
			s.schedule(int64(f.From), lose, uint32(i), 0)
		}
	}
	s.first()
	since := s.events // when the present time began
	end := min(int64(s.scenario.Duration+s.scenario.Drain), int64(longest)-1)
	for {
		e, ok := s.queue.pop()
		if !ok || e.At > end || s.scenario.Settle && s.settled(e.At) {
			return s.watch.rest(&s.bins)
		}
		if s.events++; s.events > s.most || s.events-since > s.crowd {
			return ErrRunaway
		}
		if e.At != s.now {
			if err := s.watch.pass(e.At, &s.bins); err != nil {
				return err
			}
			since = s.events
			s.now = e.At
			s.time = s.start.Add(time.Duration(e.At))
		}
		s.happen(&e)
	}
}

// settled reports whether goodput is back after the last fault; it checks once a second.
func (s *sim) settled(now int64) bool {
	if now < s.review {
		return false
	}
	s.review = now + int64(time.Second)
	_, over := s.scenario.trigger()
	r := Result{Series: s.bins.series, Bin: bin}
	ago := len(r.Series) - 1 - hold*perSecond // the latest bin is not over
	return ago >= int(over/bin) && r.firstSick(ago, hold) < 0
}

func (s *sim) happen(e *event) {
	slot, gen := e.What.slot, e.What.gen
	switch kind(e.Order) {
	case arrive:
		s.arrive(slot)
	case reach:
		s.reach(slot)
	case served:
		s.done(&s.servers[slot], gen)
	case leave:
		s.leave(slot, 0)
	case reply:
		s.reply(slot)
	case expire:
		s.expire(slot, gen)
	case wake:
		s.wake(slot, gen)
	case deadline:
		s.giveUp(slot, gen)
	case shift:
		s.change(s.era + 1)
	case restart:
		s.hops[0].restart(slot)
	case lose:
		s.lose(slot)
	}
}

// schedule makes something happen at a time that is not past. Nothing happens at longest or later.
func (s *sim) schedule(at int64, k kind, slot, gen uint32) {
	s.queue.pushed++
	s.queue.push(event{At: min(at, int64(longest)), Order: s.queue.pushed<<kindBits | uint64(k), What: target{slot, gen}})
}

// leg draws the time of one network leg.
func (s *sim) leg() int64 { return sample(s.network, s.rng) }

// pick returns one of n processes.
func (s *sim) pick(n int) uint32 {
	if n == 1 {
		return 0
	}
	return s.rng.Uint32N(uint32(n))
}

// change goes on to the next conditions.
func (s *sim) change(era int) {
	s.era = era
	for i := range s.servers {
		v := &s.servers[i]
		v.weather = s.timeline[i][era]
		s.setRate(v, v.Rate*v.weather.capacity)
	}
}

// restarts replaces every client once while the fault lasts.
func (s *sim) restarts(f Fault) {
	for i := range uint32(s.hops[0].n) {
		s.schedule(int64(f.From)+int64(s.rng.Float64()*float64(f.To-f.From)), restart, i, 0)
	}
}
