package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
	"github.com/evenkeel-go/evenkeel/retry"
)

// Scenario is a fleet, its load and what goes wrong. It is plain data and not changed by a run.
type Scenario struct {
	Clients  int           // processes that call, each with a budget of its own; 0 means 1
	Load     Load          // how their calls come
	Deadline time.Duration // what a caller waits for its call, retries included; it travels. 0: for ever
	Services []Service     // what a call passes on its way to Server, in that order
	Server   Server        // what does the work
	Replicas Replicas      // how many of them there are; the zero value is one
	Answers  Answers       // whether its failures may be retried
	Network  Delay         // one way between any two of them; nil: no time at all
	Faults   []Fault       // what goes wrong; they may overlap

	Duration time.Duration // how long calls come; 0 means a minute after the last fault (or in all)
	Drain    time.Duration // how long the last calls may take after that; 0 means a minute
	Settle   bool          // end the run when goodput was back for ten seconds after the last fault
	Seed     uint64        // same seed, same figures, for a policy without a state of its own (budget.Shared)

	Survival Survival // what Survives asks for
}

// Load is the arrival process of calls to the whole fleet.
type Load struct {
	Rate     float64 // calls a second, of all clients together
	Periodic bool    // each client calls at even intervals, from a random phase. Otherwise: a Poisson process
	Top      float64 // share of the clients whose calls are CRITICAL_PLUS; those of others are CRITICAL
	Loop     Loop    // calls follow each other instead; Rate only says how soon all clients have begun
	Burst    int     // calls that a client makes at once, at the same overall rate; 0 means 1
}

// Service passes calls on: for each attempt that reaches it, it makes a call of its own.
type Service struct {
	Instances int           // processes, each with a budget of its own; attempts go to one at random. 0 means 1
	Policy    *retry.Config // how it calls; nil means as the clients do
	// Tell passes "do not retry" on to the caller when the service's own call stopped for want of
	// anything that would help: out of attempts, budget or time, or told so itself. evenkeel's
	// server side does this.
	Tell bool
}

// Server does the work. The zero value does any amount of it in no time.
type Server struct {
	// Rate is how much it can do, in attempts a second. It does one after another, first come,
	// first served. 0: no limit.
	Rate float64
	// Queue is how many attempts may wait; those above are answered as throttled, at once. 0: no
	// limit.
	Queue int
	// Quota is how many attempts it takes in each Window, counted from the start of the run; those
	// above are answered as throttled, at once, with the time until the next window in whole
	// seconds as the wait that they are asked for. 0: no quota.
	Quota  int
	Window time.Duration // 0 means a second
	// Drops says that it knows its callers' deadlines and does not execute, at no cost, an attempt
	// whose caller has given up or will have before it is done. Otherwise it does, for nobody.
	Drops bool
	// Latency is what an answer takes besides the wait for capacity.
	Latency Delay
	// Slowdown is what each attempt under way adds to the latency of one that comes.
	Slowdown time.Duration
}

// Fault is something that goes wrong from From until To, counted from the start of the run.
type Fault struct {
	From, To time.Duration
	Fail     float64       // share of attempts that fail at once when they reach the server; 1 is an outage
	Throttle float64       // share of attempts that the server turns away as overloaded
	After    time.Duration // how long those are asked to wait
	Hang     float64       // share of attempts that are never answered
	Cut      float64       // share of the server's Rate that is gone; 1 stops it
	Slow     time.Duration // what each answer takes in addition
	Load     float64       // factor on the rate of calls; 0 means 1
	Replica  int           // the only replica of the server that it befalls, from 1; 0: all
	Restart  bool          // every client's process is replaced once, at a random time from From to To
	// Lose is how often all connections to the server break, for the first time at From: the
	// attempts under way are lost, and their callers learn it at once. The server goes on with
	// what it has. 0: never.
	Lose time.Duration
}

// Survival holds the requirements of Survives. The zero value asks that goodput is back about as
// soon as it would be if nobody ever retried.
type Survival struct {
	// Recovery is how soon after the end of the last fault goodput must be back. 0 means a quarter
	// more than the same fleet needs when it never retries, and five seconds.
	Recovery time.Duration
	// Load is the most attempts per call that any second may see, as a ratio to the calls of that
	// second; 0: any.
	Load float64
	// Lost is the most calls that may fail from the first fault on; 0: any number.
	Lost int
}

const (
	defaultDuration = time.Minute
	defaultDrain    = time.Minute
	maxClients      = 1 << 24
	leastLose       = time.Millisecond
	// longest is a year and more: what takes longer does not happen. Sums of several still fit.
	longest = 10_000 * time.Hour
)

// Validate reports everything that is out of its range, each with its field's path.
func (s Scenario) Validate() error {
	_, end := s.trigger()
	errs := []error{
		conf.Check(s.Clients >= 0 && s.Clients <= maxClients, "Clients",
			"must be between 0 (one) and %d, not %d", maxClients, s.Clients),
		conf.Check(s.Load.Rate > 0 && s.Load.Rate <= 1e9, "Load.Rate",
			"must be above 0 and at most 1e9, not %v", s.Load.Rate),
		conf.Check(s.Load.Burst >= 0 && s.Load.Burst <= maxClients, "Load.Burst",
			"must be between 0 (one) and %d, not %d", maxClients, s.Load.Burst),
		conf.Check(s.Load.Burst <= 1 || s.Load.Loop == NoLoop, "Load.Burst", "must be 0 or 1 with Load.Loop, not %d", s.Load.Burst),
		share("Load.Top", s.Load.Top),
		conf.Check(s.Load.Loop <= Paced, "Load.Loop", "must be NoLoop, AtOnce or Paced, not %d", s.Load.Loop),
		atLeast0("Deadline", s.Deadline),
		atLeast0("Duration", s.Duration),
		atLeast0("Drain", s.Drain),
		atLeast0("Server.Slowdown", s.Server.Slowdown),
		atLeast0("Survival.Recovery", s.Survival.Recovery),
		conf.Check(s.Duration != 0 || end <= longest, "Duration", "must be set if a fault ends later than after %v", longest),
		conf.Check(s.Server.Rate >= 0 && s.Server.Rate <= 1e9, "Server.Rate",
			"must be between 0 (no limit) and 1e9, not %v", s.Server.Rate),
		atLeast0("Server.Queue", s.Server.Queue),
		atLeast0("Server.Quota", s.Server.Quota),
		atLeast0("Server.Window", s.Server.Window),
		atLeast0("Survival.Load", s.Survival.Load),
		atLeast0("Survival.Lost", s.Survival.Lost),
		conf.Check(len(s.Services) <= 100, "Services", "must be at most 100, not %d", len(s.Services)),
	}
	for i, v := range s.Services {
		field := fmt.Sprintf("Services[%d]", i)
		errs = append(errs, conf.Check(v.Instances >= 0 && v.Instances <= maxClients, field+".Instances",
			"must be between 0 (one) and %d, not %d", maxClients, v.Instances))
		if v.Policy != nil {
			_, err := retry.New(*v.Policy)
			errs = append(errs, conf.In(field+".Policy", err))
		}
	}
	errs = append(errs, conf.In("Answers", s.Answers.validate()))
	for i, f := range s.Faults {
		errs = append(errs, conf.In(fmt.Sprintf("Faults[%d]", i), f.validate(s.Replicas.N)))
	}
	errs = append(errs, conf.In("Replicas", s.Replicas.validate()))
	return errors.Join(errs...)
}

func (f Fault) validate(replicas int) error {
	clients := f.Load > 0 || f.Restart
	return errors.Join(
		conf.Check(f.Replica >= 0 && f.Replica <= max(replicas, 1), "Replica",
			"must be between 0 (all) and Replicas.N, not %d", f.Replica),
		conf.Check(f.Replica <= 0 || !clients, "Replica", "must be 0 with Load or Restart, which are the clients'"),
		conf.Check(f.From >= 0 && f.To >= f.From, "To",
			"must not be before From (%v), nor From negative, not %v", f.From, f.To),
		share("Fail", f.Fail),
		share("Throttle", f.Throttle),
		share("Hang", f.Hang),
		share("Cut", f.Cut),
		atLeast0("After", f.After),
		atLeast0("Slow", f.Slow),
		conf.Check(f.Lose == 0 || f.Lose >= leastLose, "Lose", "must be 0 (never) or at least %v, not %v", leastLose, f.Lose),
		conf.Check(f.Load >= 0 && f.Load <= 1e6, "Load", "must be between 0 (unchanged) and 1e6, not %v", f.Load),
	)
}

func share(field string, v float64) error {
	return conf.Check(v >= 0 && v <= 1, field, "must be between 0 and 1, not %v", v)
}

func atLeast0[T int | float64 | time.Duration](field string, v T) error {
	return conf.Check(v >= 0, field, "must not be negative, not %v", v)
}

// withDefaults fills in what zero stands for.
func (s Scenario) withDefaults() Scenario {
	s.Clients = max(s.Clients, 1)
	s.Load.Burst = max(s.Load.Burst, 1)
	s.Replicas.N = max(s.Replicas.N, 1)
	if s.Duration == 0 {
		_, end := s.trigger()
		s.Duration = end + defaultDuration
	}
	s.Drain = cmp.Or(s.Drain, defaultDrain)
	s.Server.Window = cmp.Or(s.Server.Window, time.Second)
	for _, d := range []*time.Duration{&s.Server.Window, &s.Deadline, &s.Duration, &s.Drain, &s.Server.Slowdown} {
		*d = min(*d, longest)
	}
	s.Faults = slices.Clone(s.Faults)
	for i := range s.Faults {
		f := &s.Faults[i]
		f.From, f.To, f.Slow = min(f.From, longest), min(f.To, longest), min(f.Slow, longest)
		f.Lose, f.After = min(f.Lose, longest), min(f.After, longest)
	}
	return s
}

// bounded returns f ns, or longest.
func bounded(f float64) int64 {
	if f < float64(longest) {
		return int64(f)
	}
	return int64(longest)
}

// trigger returns the start of the first fault and the end of the last.
func (s Scenario) trigger() (from, to time.Duration) {
	for i, f := range s.Faults {
		if i == 0 || f.From < from {
			from = f.From
		}
		to = max(to, f.To)
	}
	return from, to
}
