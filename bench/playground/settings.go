package playground

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/retry"
)

// Fault is one thing that can go wrong. Its size has a range, for a slider.
type Fault struct {
	Name, Label string
	Size        string // what the size says; "" if there is none
	Unit        string
	Least, Most float64
	Step, Usual float64

	fault func(size float64) fleet.Fault
}

// Faults are those that the page offers.
var Faults = []Fault{
	{
		Name: "outage", Label: "Outage: every attempt fails",
		fault: func(float64) fleet.Fault { return fleet.Fault{Fail: 1} },
	},
	{
		Name: "partial", Label: "Partial outage: a share of the attempts fails",
		Size: "Share that fails", Unit: "of the attempts", Least: .05, Most: .95, Step: .05, Usual: .5,
		fault: func(size float64) fleet.Fault { return fleet.Fault{Fail: size} },
	},
	{
		Name: "cut", Label: "Cut connections: what is under way is lost",
		Size: "Time between cuts", Unit: "s", Least: .5, Most: 5, Step: .5, Usual: 2,
		fault: func(size float64) fleet.Fault { return fleet.Fault{Lose: seconds(size)} },
	},
	{
		Name: "slow", Label: "Slow server: each answer takes longer",
		Size: "How much longer", Unit: "s", Least: .2, Most: 4, Step: .2, Usual: 2,
		fault: func(size float64) fleet.Fault { return fleet.Fault{Slow: seconds(size)} },
	},
}

// Budget is one that the page offers to compare with.
type Budget struct {
	Label string
	JSON  json.RawMessage
}

// Budgets are those that the page offers, the first one to begin with.
var Budgets = []Budget{
	{"none: every retry is sent", json.RawMessage(`"unlimited"`)},
	{"evenkeel, adaptive (the default)", json.RawMessage(`"adaptive"`)},
	{"evenkeel, adaptive and strict", json.RawMessage(`{"adaptive":{"strict":true}}`)},
	{"gRPC", json.RawMessage(`"grpc"`)},
	{"AWS SDK, standard mode", json.RawMessage(`"aws"`)},
	{"AWS SDK, 2026 mode", json.RawMessage(`{"aws":{"mode":"2026"}}`)},
	{"Finagle", json.RawMessage(`"finagle"`)},
	{"Envoy", json.RawMessage(`"concurrency"`)},
	{"Google SRE, 10 % of the calls", json.RawMessage(`"ratio"`)},
	{"token bucket (Brooker)", json.RawMessage(`{"token_bucket":{"on_success":true}}`)},
}

// Limits of the settings, for sliders.
const (
	MaxClients = 1000
	MinRate    = 10
	MaxRate    = 5000
	MinLasts   = 1
	MaxLasts   = 60
)

// Parse reads settings as JSON. It refuses fields that it does not know, and settings that cannot
// be run.
func Parse(data []byte) (Settings, error) {
	var s Settings
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Settings{}, fmt.Errorf("settings: %w", err)
	}
	for _, side := range []Side{Own, Beside} {
		if _, err := s.policy(side); err != nil {
			return Settings{}, err
		}
	}
	return s, s.validate()
}

// validate reports all that is out of its range. The policy is not looked at.
func (s Settings) validate() error {
	var errs []error
	between := func(field string, v, least, most float64) {
		if !(v >= least && v <= most) {
			errs = append(errs, fmt.Errorf("%s: must be between %v and %v, not %v", field, least, most, v))
		}
	}
	between("clients", float64(s.Clients), 1, MaxClients)
	between("rate", s.Rate, MinRate, MaxRate)
	between("lasts", s.Lasts, MinLasts, MaxLasts)
	switch f := faultNamed(s.Fault); {
	case f == nil:
		errs = append(errs, fmt.Errorf("fault: must be one of %s, not %q", strings.Join(faultNames(), ", "), s.Fault))
	case f.Size != "" && s.Size != 0:
		between("size", s.Size, f.Least, f.Most)
	}
	return errors.Join(errs...)
}

// policy returns the policy of a side.
func (s Settings) policy(side Side) (retry.Config, error) {
	cfg, err := retry.ParseConfig(s.Policy)
	if err != nil {
		return cfg, fmt.Errorf("policy: %w", err)
	}
	if side == Own {
		return cfg, nil
	}
	other, err := retry.ParseConfig([]byte(`{"budget":` + string(s.Beside) + `}`))
	if err != nil {
		return cfg, fmt.Errorf("beside: %w", err)
	}
	cfg.Budget = other.Budget
	return cfg, nil
}

func faultNamed(name string) *Fault {
	for i := range Faults {
		if Faults[i].Name == name {
			return &Faults[i]
		}
	}
	return nil
}

func faultNames() []string {
	var names []string
	for _, f := range Faults {
		names = append(names, f.Name)
	}
	return names
}

func seconds(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }
