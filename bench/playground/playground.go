// Package playground runs what the site's playground runs: a policy in a small fleet with one
// fault, beside the same policy with another budget. The command bench and the page, which has
// this package compiled to WebAssembly, call the same function, so the same [Settings] give the
// same [Figures] in both.
package playground

import (
	"encoding/json"
	"time"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/retry"
)

// Settings describe one run. They are what a link to the page carries.
type Settings struct {
	Clients int     `json:"clients"` // processes that call
	Rate    float64 `json:"rate"`    // calls a second of all of them together
	Fault   string  `json:"fault"`   // one of Faults
	Size    float64 `json:"size"`    // how bad it is, in the fault's own unit; 0 means its usual size
	Lasts   float64 `json:"lasts"`   // seconds
	Seed    uint64  `json:"seed"`    // same seed, same figures

	Policy json.RawMessage `json:"policy"` // a policy as retry.ParseConfig reads it
	Beside json.RawMessage `json:"beside"` // the budget of the same policy beside it, as in a policy
}

// Side is one of the two policies of Settings.
type Side string

// The sides.
const (
	Own    Side = "own"    // Settings.Policy
	Beside Side = "beside" // the same with the other budget
)

// The model. Times before and after the fault leave room to see the fleet healthy, and to see
// whether it recovers.
const (
	Before = 10 * time.Second
	After  = 40 * time.Second

	Deadline = 5 * time.Second            // what a caller waits for its call
	Headroom = 2                          // the server's capacity is so many times the rate of calls
	Leg      = 10 * time.Millisecond      // the mean of a network leg
	Least    = 30 * time.Millisecond      // what an answer takes at the server,
	Most     = 70 * time.Millisecond      // evenly spread
	Usual    = `{"attempt_timeout":"1s"}` // the policy to start with
)

// Preset returns the settings that the page starts with, for one of Faults: they are those of the
// experiment playground of the command bench.
func Preset(fault string, seed uint64) Settings {
	return Settings{
		Clients: 100, Rate: 1000, Fault: fault, Lasts: 10, Seed: seed,
		Policy: json.RawMessage(Usual), Beside: Budgets[0].JSON,
	}
}

// Run runs one side of the settings and calls seen, if it is not nil, after each second of the
// run. An error of seen ends it.
func Run(s Settings, side Side, seen func(second int, p fleet.Point) error) (Figures, error) {
	policy, err := s.policy(side)
	if err != nil {
		return Figures{}, err
	}
	return RunPolicy(s, policy, seen)
}

// RunPolicy runs another policy in the fleet of the settings.
func RunPolicy(s Settings, policy retry.Config, seen func(second int, p fleet.Point) error) (Figures, error) {
	if err := s.validate(); err != nil {
		return Figures{}, err
	}
	r, err := fleet.Watch(policy, s.scenario(), seen)
	if err != nil {
		return Figures{}, err
	}
	return s.figures(r), nil
}

// scenario returns the fleet of valid settings.
func (s Settings) scenario() fleet.Scenario {
	fault := faultNamed(s.Fault).fault(s.size())
	fault.From, fault.To = Before, s.end()
	return fleet.Scenario{
		Clients:  s.Clients,
		Load:     fleet.Load{Rate: s.Rate},
		Deadline: Deadline,
		Server:   fleet.Server{Rate: Headroom * s.Rate, Latency: fleet.Uniform(Least, Most)},
		Network:  fleet.Exponential(Leg),
		Faults:   []fleet.Fault{fault},
		Duration: s.end() + After,
		Seed:     s.Seed,
	}
}

// Seconds returns how long the run is, in its own time.
func (s Settings) Seconds() int { return int((s.end() + After) / time.Second) }

// end returns when the fault is over.
func (s Settings) end() time.Duration { return Before + time.Duration(s.Lasts*float64(time.Second)) }

// size returns how bad the fault is.
func (s Settings) size() float64 {
	if s.Size == 0 {
		return faultNamed(s.Fault).Usual
	}
	return s.Size
}
