package budget

import "github.com/evenkeel-go/evenkeel/internal/conf"

// Shared is a Spec whose every New is b itself: all destinations, and all policies that use it, spend from one
// budget. Two calls with the same b give equal Specs. It has no name in JSON.
func Shared(b Budget) Spec { return shared{b} }

type shared struct{ Budget Budget }

func (s shared) Validate() error {
	if s.Budget == nil {
		return conf.Errorf("Shared", "must have a budget to share, not nil")
	}
	return nil
}

func (s shared) New() Budget { return s.Budget }
