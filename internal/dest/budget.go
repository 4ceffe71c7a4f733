package dest

import (
	"sync"

	"github.com/evenkeel-go/evenkeel/budget"
)

// NewBudget returns a new budget for a destination. If drained is true and s can make one, it is
// empty until an attempt succeeds.
func NewBudget(s budget.Spec, drained bool) budget.Budget {
	if d, ok := s.(budget.Drainer); ok && drained {
		return d.NewDrained()
	}
	return s.New()
}

// Spent returns a function that reports whether a budget of s has less to spend than a new one. A
// budget that does not report its level counts as spent. If s cannot make a drained budget, the
// function reports false.
func Spent(s budget.Spec) func(budget.Budget) bool {
	if _, ok := s.(budget.Drainer); !ok {
		return func(budget.Budget) bool { return false }
	}
	full := sync.OnceValue(func() float64 { return level(s.New()) })
	return func(b budget.Budget) bool {
		now := level(b)
		return now == 0 || now < full()
	}
}

func level(b budget.Budget) float64 {
	if l, ok := b.(budget.Leveler); ok {
		return l.Level()
	}
	return 0
}
