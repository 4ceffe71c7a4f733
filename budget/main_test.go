package budget_test

import (
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
)

// at returns a time of the tests' own clock, in seconds.
func at(t float64) time.Time { return time.Unix(1_700_000_000, int64(t*1e9)) }

// full returns a budget that has seen a thousand successes at time 0.
func full(s budget.Spec) budget.Budget {
	b := s.New()
	succeed(b, 0, 1000)
	return b
}

func succeed(b budget.Budget, t float64, n int) {
	for range n {
		b.End(at(t), b.Begin(at(t)), budget.Alive)
	}
}

// call makes one call whose attempts end as told, one after the other, and says how many were
// sent.
func call(b budget.Budget, t float64, ends ...budget.Evidence) int {
	p := b.Begin(at(t))
	for i, e := range ends {
		b.End(at(t), p, e)
		if e == budget.Alive || i == len(ends)-1 {
			return i + 1
		}
		var ok bool
		if p, ok = b.Admit(at(t), budget.Retry, e, p); !ok {
			return i + 1
		}
	}
	return 0
}

// retries counts the calls of two failed attempts, out of n, that were allowed their second.
func retries(b budget.Budget, t float64, n int) int {
	var sent int
	for range n {
		sent += call(b, t, budget.Failed, budget.Failed) - 1
	}
	return sent
}

const (
	alive   = budget.Alive
	failed  = budget.Failed
	busy    = budget.Overloaded
	silent  = budget.Silent
	unsent  = budget.Unsent
	nothing = budget.None
)
