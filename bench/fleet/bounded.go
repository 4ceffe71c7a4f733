package fleet

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/conf"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

const (
	many  = 1000             // attempts per call: from here on MaxAttempts does not count as a limit
	brief = time.Millisecond // a backoff or hedge delay that is always below this does not count as a wait
	soon  = 10 * time.Second // a Deadline up to this counts as a limit, if an attempt takes any time
)

// Bounded returns nil if a policy has a limit or a wait: a number of attempts, a budget that can
// be spent, or a time between attempts. A call that fails is else sent again without end, and a
// simulation of an outage would take minutes or hours of computing. The error names the fields
// that would have to change, or is that of retry.New.
func Bounded(policy retry.Config) error {
	if _, err := retry.New(policy); err != nil {
		return err
	}
	if policy.MaxAttempts != retry.Unlimited && policy.MaxAttempts < many || !boundless(policy.Budget) {
		return nil
	}
	var errs []error
	at := func(field string) {
		errs = append(errs, conf.Errorf(field,
			"must make a call wait, or MaxAttempts be below %d, or Budget have a limit: nothing ends a call that fails", many))
	}
	for _, s := range []struct {
		field    string
		strategy backoff.Strategy
	}{{"Backoff", policy.Backoff}, {"ThrottledBackoff", policy.ThrottledBackoff}} {
		if s.strategy != nil && hasty(s.strategy) {
			at(s.field)
		}
	}
	if d, ok := policy.Hedge.(timeout.Fixed); ok && time.Duration(d) < brief {
		at("Hedge")
	}
	return errors.Join(errs...)
}

// check reports what is wrong with a scenario and its clients' policy.
func (s Scenario) check(policy retry.Config) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("fleet: bad scenario: %w", err)
	}
	if _, err := retry.New(policy); err != nil {
		return err
	}
	return s.bounded(policy)
}

// bounded reports the policies of a scenario's clients and services that are not Bounded.
func (s Scenario) bounded(policy retry.Config) error {
	if s.Deadline > 0 && s.Deadline <= soon && s.Network != nil {
		return nil
	}
	errs := []error{Bounded(policy)}
	for i, v := range s.Services {
		if v.Policy != nil {
			errs = append(errs, conf.In(fmt.Sprintf("Services[%d].Policy", i), Bounded(*v.Policy)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("fleet: a policy without limit or wait: %w", err)
	}
	return nil
}

// hasty reports whether a strategy never makes a call wait to speak of.
func hasty(s backoff.Strategy) bool {
	if own, ok := s.(backoff.Stateful); ok {
		s = own.NewCall()
	}
	var prev time.Duration
	for wait := 1; wait <= 64; wait++ {
		d := s.Delay(wait, prev, math.Nextafter(1, 0))
		if d >= brief || d < 0 { // below zero: it stops
			return false
		}
		prev = d
	}
	return true
}

// boundless reports whether a budget affords one call any number of retries. A budget that is
// shared is not tried out.
func boundless(s budget.Spec) bool {
	if s == nil {
		return false
	}
	if v := reflect.ValueOf(s); v.Kind() == reflect.Pointer && !v.IsNil() {
		if pointed, ok := v.Elem().Interface().(budget.Spec); ok {
			s = pointed
		}
	}
	if c, ok := s.(budget.ClientThrottle); ok {
		return boundless(c.Retries)
	}
	b := s.New()
	if reflect.TypeOf(b) == reflect.TypeOf(budget.Unlimited{}.New()) {
		return true
	}
	if again := s.New(); reflect.TypeOf(b).Size() > 0 && (!reflect.TypeOf(b).Comparable() || b == again) {
		return false
	}
	held := b.Begin(epoch)
	b.End(epoch, held, budget.Failed)
	for range many {
		p, ok := b.Admit(epoch, budget.Retry, budget.Failed, held)
		if !ok {
			return false
		}
		held = p
	}
	return true
}
