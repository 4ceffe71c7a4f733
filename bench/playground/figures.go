package playground

import (
	"time"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
)

// Figures holds the counts and ratios of a run.
type Figures struct {
	Calls   int     `json:"calls"`
	Lost    int     `json:"lost"`    // calls that failed
	Success float64 `json:"success"` // the share of all calls that succeeded
	Load    float64 `json:"load"`    // attempts per call, over the whole run

	FaultSuccess float64 `json:"fault_success"` // of the calls that began during the fault
	FaultLoad    float64 `json:"fault_load"`    // of the same calls
	Worst        float64 `json:"worst"`         // attempts per call in the worst second from the fault on
	// Recovery is how many seconds after the fault goodput was back for ten seconds; nil: never,
	// to the end of the run.
	Recovery *float64 `json:"recovery_s"`
	P99      float64  `json:"p99_ms"` // the time in which 99 % of those calls that succeeded had done so
}

// figures returns the figures of a result. A ratio without calls is 0: JSON has no infinity.
func (s Settings) figures(r *fleet.Result) Figures {
	end := s.end()
	during := r.Between(Before, end)
	f := Figures{
		Calls: r.Calls, Lost: r.Lost(), Worst: r.Peak(Before, end+After),
		P99: float64(r.Took(.99)) / float64(time.Millisecond),
	}
	if r.Calls > 0 {
		f.Success, f.Load = r.Success(), r.Load()
	}
	if during.Calls > 0 {
		f.FaultSuccess, f.FaultLoad = during.Success(), during.Load()
	}
	if after, ok := r.Recovered(end, end+After); ok {
		recovery := after.Seconds()
		f.Recovery = &recovery
	}
	return f
}
