package fleet

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel-go/evenkeel/retry"
)

// TB is the part of a *testing.T that Survives needs.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Verdict is the judgment of a fleet's behavior after its faults.
type Verdict struct {
	Amplification float64       // attempts over calls in the worst second from the first fault on
	Lost          int           // calls made from the first fault on that failed
	Recovered     bool          // goodput was back for ten seconds before the end of the run
	Recovery      time.Duration // how long after the last fault that was; 0 if before, or never
	Baseline      time.Duration // the same if nobody ever retried
	Faults        []string      // why it did not survive, a sentence each; none if it did
}

// Survived reports whether the fleet met all that Scenario.Survival asks for.
func (v Verdict) Survived() bool { return len(v.Faults) == 0 }

// ErrHopeless is returned for a scenario that no policy survives: goodput is not back within its
// Duration even when nobody retries.
var ErrHopeless = errors.New("fleet: goodput does not come back even if nobody retries " +
	"(more load than capacity, or Duration too short)")

// trialDuration is how long Try watches after the last fault, unless Scenario.Duration is set.
const trialDuration = 5 * time.Minute

// Try runs a scenario on a policy and judges it by Scenario.Survival. It needs a fault.
func Try(policy retry.Config, scenario Scenario) (Verdict, error) {
	if len(scenario.Faults) == 0 {
		return Verdict{}, errors.New("fleet: a scenario without Faults has nothing to survive")
	}
	if err := scenario.check(policy); err != nil { // before the baseline hides some of it
		return Verdict{}, err
	}
	_, end := scenario.trigger()
	if scenario.Duration == 0 {
		scenario.Duration = end + trialDuration
	}
	scenario.Settle = true
	baseline, err := observe(unretried(policy), scenario.unretried())
	if err != nil {
		return Verdict{}, err
	}
	if !baseline.Recovered {
		return Verdict{}, ErrHopeless
	}
	v, err := observe(policy, scenario)
	v.Baseline = baseline.Recovery
	v.judge(scenario)
	return v, err
}

// unretried returns a policy under which nothing is sent twice.
func unretried(policy retry.Config) retry.Config {
	policy.MaxAttempts, policy.Hedge = 1, nil
	return policy
}

// unretried returns the scenario in which the services do not retry either.
func (s Scenario) unretried() Scenario {
	s.Services = slices.Clone(s.Services)
	for i, v := range s.Services {
		if v.Policy != nil {
			s.Services[i].Policy = new(unretried(*v.Policy))
		}
	}
	return s
}

// observe runs a scenario and measures what came of it.
func observe(policy retry.Config, s Scenario) (Verdict, error) {
	r, err := Run(policy, s)
	if err != nil {
		return Verdict{}, err
	}
	from, to := s.trigger()
	after, ok := r.Recovered(from, s.Duration)
	return Verdict{
		Amplification: r.Peak(from, s.Duration),
		Lost:          r.Between(from, math.MaxInt64).Lost(),
		Recovered:     ok,
		Recovery:      max(0, after-(to-from)),
	}, nil
}

func (v *Verdict) judge(s Scenario) {
	allowed := s.Survival.Recovery
	if allowed == 0 {
		allowed = v.Baseline*5/4 + 5*time.Second
	}
	_, end := s.trigger()
	add := func(format string, args ...any) { v.Faults = append(v.Faults, fmt.Sprintf(format, args...)) }
	switch {
	case !v.Recovered:
		add("goodput is not back %v after the last fault; without retries it is after %v",
			s.Duration-end, v.Baseline.Round(bin))
	case v.Recovery > allowed:
		add("goodput is back only %v after the last fault, must be after %v; without retries it is after %v",
			v.Recovery.Round(bin), allowed.Round(bin), v.Baseline.Round(bin))
	}
	if most := s.Survival.Load; most > 0 && v.Amplification > most {
		add("%.2f attempts per call in the worst second, must be at most %.2f", v.Amplification, most)
	}
	if most := s.Survival.Lost; most > 0 && v.Lost > most {
		add("%d calls lost, must be at most %d", v.Lost, most)
	}
}

// Survives fails the test if a fleet of clients with this policy does not come through the
// scenario's faults as Scenario.Survival asks: by default, if its goodput is not back about as
// soon as without any retries. The failure says by how much the policy amplified the load, how
// many calls were lost, how long recovery took, and the largest trigger that it does survive: the
// faults made shorter, by bisection.
//
// It is deterministic: one seed, one verdict, unless the policy keeps a state of its own between
// calls (budget.Shared) or draws its own random numbers (a cenkalti BackOff). Where the margin is
// narrow, try several seeds.
func Survives(t TB, policy retry.Config, scenario Scenario) {
	t.Helper()
	v, err := Try(policy, scenario)
	if err != nil {
		t.Fatalf("%v", err)
		return
	}
	if v.Survived() {
		return
	}
	largest, err := LargestTrigger(policy, scenario)
	if err != nil {
		t.Fatalf("%v", err)
		return
	}
	t.Errorf("%s", v.explain(scenario, largest))
}

func (v Verdict) explain(s Scenario, largest float64) string {
	var b strings.Builder
	fmt.Fprintln(&b, "fleet: the policy does not survive the scenario:")
	for _, fault := range v.Faults {
		fmt.Fprintln(&b, "  -", fault)
	}
	recovery := "never"
	if v.Recovered {
		recovery = v.Recovery.Round(bin).String()
	}
	fmt.Fprintf(&b, "  amplification %.2f attempts per call, lost %d calls, recovery %s\n", v.Amplification, v.Lost, recovery)
	from, to := s.trigger()
	if largest == 0 {
		fmt.Fprintf(&b, "  largest trigger survived: none, however short")
	} else {
		fmt.Fprintf(&b, "  largest trigger survived: %v of %v",
			time.Duration(largest*float64(to-from)).Round(bin/10), to-from)
	}
	return b.String()
}

// LargestTrigger returns how much of the scenario's faults a policy survives, as a share of their
// length: 1 if it survives them whole, 0 if it survives none, to within a hundredth. Every fault
// is shortened from its end. The bisection takes it for granted that what survives a fault
// survives a shorter one.
func LargestTrigger(policy retry.Config, scenario Scenario) (float64, error) {
	survives := func(share float64) (bool, error) {
		v, err := Try(policy, scenario.shortened(share))
		return v.Survived(), err
	}
	if whole, err := survives(1); whole || err != nil {
		return 1, err
	}
	low, high := 0.0, 1.0
	for high-low > 0.01 {
		middle := (low + high) / 2
		ok, err := survives(middle)
		if err != nil {
			return 0, err
		}
		if ok {
			low = middle
		} else {
			high = middle
		}
	}
	return low, nil
}

// shortened returns the scenario with faults of a share of their length; it goes on for as long
// after them.
func (s Scenario) shortened(share float64) Scenario {
	_, end := s.trigger()
	faults := make([]Fault, len(s.Faults))
	for i, f := range s.Faults {
		f.To = f.From + time.Duration(share*float64(f.To-f.From))
		faults[i] = f
	}
	s.Faults = faults
	if s.Duration > 0 {
		_, now := s.trigger()
		s.Duration -= end - now
	}
	return s
}
