// Package live runs real clients and servers on the loopback interface, which fail as the
// simulator's do.
package live

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/retry"
)

// patience is what a caller waits for its call: longer than a busy machine takes. Only a user's
// policy with long waits comes near it.
const patience = 20 * time.Second

// leg is the mean of what an attempt takes to its server, and back: the server waits for as long.
const leg = 10 * time.Millisecond

// Fleet is some clients of one server: real ones, or simulated.
type Fleet struct {
	Clients int
	Rate    float64       // calls a second, of all clients together
	Healthy time.Duration // then the fault
	Faulty  time.Duration // and then the end
	Percent int           // of attempts that fail in the fault
	Seed    uint64
}

// Measured is the outcome of a live run.
type Measured struct {
	fleet.Tally                 // of the calls that began in the fault, as the server saw them
	rate        float64         // of calls that were made, a second: less than asked for if the machine is busy
	took        []time.Duration // the attempts, as their clients saw them
}

// Simulated runs the fleet in the simulator, several times over for the sake of the mean, under
// the conditions that were measured: a busy machine is slow, and that is not what is compared.
// throttled says that the server fails by turning away, as 503 is read.
func (f Fleet) Simulated(cfg retry.Config, throttled bool, m Measured) (sum fleet.Tally, err error) {
	fault := fleet.Fault{From: f.Healthy, To: time.Hour}
	if share := float64(f.Percent) / 100; throttled {
		fault.Throttle = share
	} else {
		fault.Fail = share
	}
	for run := range uint64(10) {
		r, err := fleet.Run(cfg, fleet.Scenario{
			Clients:  f.Clients,
			Load:     fleet.Load{Rate: m.rate},
			Deadline: patience,
			Network:  fleet.DelayFunc(m.leg),
			Faults:   []fleet.Fault{fault},
			Duration: f.Healthy + f.Faulty,
			Seed:     f.Seed + run,
		})
		if err != nil {
			return sum, err
		}
		p := r.Between(f.Healthy, f.Healthy+f.Faulty)
		sum.Calls += p.Calls
		sum.Succeeded += p.Succeeded
		sum.Attempts += p.Attempts
	}
	return sum, nil
}

// leg returns half the duration of an attempt.
func (m Measured) leg(r *rand.Rand) time.Duration { return m.took[r.IntN(len(m.took))] / 2 }

// Starved reports whether attempts took so much longer than their two legs that the machine was
// what they waited for.
func (m Measured) Starved() bool {
	var sum time.Duration
	for _, d := range m.took {
		sum += d
	}
	return sum > 5*2*leg*time.Duration(len(m.took))
}

// Slower returns the same fleet with as many calls in twice the time.
func (f Fleet) Slower() Fleet {
	f.Rate, f.Healthy, f.Faulty = f.Rate/2, 2*f.Healthy, 2*f.Faulty
	return f
}

// Run runs the fleet over the wire.
func (f Fleet) Run(cfg retry.Config, over Wire) (m Measured, err error) {
	var (
		book  ledger
		watch stopwatch
	)
	begun := time.Now()
	sick, end := begun.Add(f.Healthy), begun.Add(f.Healthy+f.Faulty)
	server, err := over.serve(flaky(&book, newDeck(f.Seed, f.Percent), sick), false)
	if err != nil {
		return m, err
	}
	defer server.close()
	clients := make([]*client, f.Clients)
	for i := range clients {
		policy, err := retry.New(cfg, retry.WithObserver(&watch))
		if err != nil {
			return m, err
		}
		if clients[i], err = over.dial(server.addr, policy); err != nil {
			return m, err
		}
		defer clients[i].close()
	}
	var all sync.WaitGroup
	for i, c := range clients {
		rng := rand.New(rand.NewPCG(f.Seed, uint64(i)))
		all.Go(func() {
			poisson(rng, f.Rate/float64(f.Clients), begun, end, func() {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				_ = c.send(ctx, book.open(!time.Now().Before(sick))) // what became of it is the server's to say
			})
		})
	}
	all.Wait()
	m = Measured{book.sum(), float64(len(book.calls)) / end.Sub(begun).Seconds(), watch.took}
	if m.Calls == 0 || len(m.took) == 0 {
		return m, errors.New("the fleet made no calls")
	}
	return m, nil
}

// stopwatch is a retry.Observer that keeps what attempts took.
type stopwatch struct {
	mu   sync.Mutex
	took []time.Duration
}

// AttemptDone implements retry.Observer.
func (w *stopwatch) AttemptDone(_ context.Context, a retry.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.took = append(w.took, a.Took)
}

// CallDone implements retry.Observer.
func (w *stopwatch) CallDone(context.Context, retry.Report) {}

// flaky returns a server that fails some attempts from a time on.
func flaky(book *ledger, faults *deck, sick time.Time) work {
	return func(ctx context.Context, call int) error {
		book.attempt(call)
		travel(ctx)
		fails := !time.Now().Before(sick) && faults.fails()
		travel(ctx)
		if fails {
			return errFails
		}
		book.answer(call)
		return nil
	}
}

// travel waits for one leg, or until the caller has gone.
func travel(ctx context.Context) {
	timer := time.NewTimer(time.Duration(rand.ExpFloat64() * float64(leg)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// poisson calls f at the times of a Poisson process, so many a second, each on a goroutine of its
// own, and returns when all have ended. What a busy machine delays is not made up for: a burst of
// calls would be another experiment.
func poisson(rng *rand.Rand, rate float64, from, to time.Time, f func()) {
	var calls sync.WaitGroup
	for at := from; ; {
		at = at.Add(time.Duration(rng.ExpFloat64() / rate * float64(time.Second)))
		if at.After(to) {
			break
		}
		time.Sleep(time.Until(at))
		if now := time.Now(); now.Sub(at) > leg {
			at = now
		}
		calls.Go(f)
	}
	calls.Wait()
}
