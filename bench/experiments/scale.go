package experiments

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
)

var scale = Experiment{
	Name:    "scale",
	About:   "how fast is the simulator, and how much memory does it need?",
	Source:  "measured on this machine, one run at a time, on one core",
	Setup:   "Each client calls once a second and has a timer and a budget of its own; 1 % of attempts fail. Set-up counts.",
	Params:  []string{"clients"},
	Metrics: []Metric{{"events_per_s", "events/s", Millions}, {"peak_bytes", "peak memory", Mebibytes}},
	Alone:   true,
	Machine: true,
	Run:     runScale,
}

func runScale(o Options) ([]Row, error) {
	policies := o.Policies("evenkeel")[:1] // it is the simulator that is measured
	calls, many := size(o, 3_000_000, 300_000), size(o, 1_000_000, 100_000)
	var rows []Row
	for _, clients := range []int{1_000, many} {
		s := brookerFleet(clients, float64(clients))
		s.Faults = []fleet.Fault{{To: time.Hour, Fail: .01}}
		s.Duration, s.Seed = time.Duration(calls/clients)*time.Second, o.SeedFor(clients)
		stop := watchMemory()
		begun := time.Now()
		r, err := fleet.Run(policies[0].Config, s)
		took := time.Since(begun)
		peak := stop()
		if err != nil {
			return nil, err
		}
		rows = append(rows, Row{
			Policy: policies[0].Name,
			Params: map[string]any{"clients": clients},
			Metrics: map[string]*float64{
				"events_per_s": Value(float64(r.Events) / took.Seconds()), "peak_bytes": Value(float64(peak)),
			},
			Bars: map[string]Bar{
				"events_per_s": {AtLeast: map[int]float64{1_000: 5e6, many: 1.5e6}[clients]}, "peak_bytes": {AtMost: 1 << 30},
			},
		})
	}
	return rows, nil
}

// watchMemory returns a function that stops it and says the most memory that the process held
// meanwhile.
func watchMemory() (stop func() uint64) {
	runtime.GC()
	debug.FreeOSMemory()
	var (
		over sync.WaitGroup
		done = make(chan struct{})
		peak uint64
	)
	over.Go(func() {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for {
			peak = max(peak, heldMemory())
			select {
			case <-done:
				return
			case <-ticker.C:
			}
		}
	})
	return func() uint64 {
		close(done)
		over.Wait()
		return max(peak, heldMemory())
	}
}

func heldMemory() uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}
