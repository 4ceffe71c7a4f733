package budget_test

import (
	"fmt"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
)

// What a policy does with its budget: it tells of first attempts, asks for others, and says what
// became of each.
func ExampleBudget() {
	b := budget.Adaptive{}.New()
	now := time.Now()

	first := b.Begin(now)
	b.End(now, first, budget.Failed)
	retry, ok := b.Admit(now, budget.Retry, budget.Failed, first)
	fmt.Println("a retry:", ok)
	b.End(now, retry, budget.Alive)
	// Output: a retry: true
}

func ExampleLeveler() {
	b := budget.TokenBucket{Cap: 5}.New()
	leveler, ok := b.(budget.Leveler)
	if !ok {
		fmt.Println("this budget has no level")
		return
	}
	fmt.Println(leveler.Level())
	now := time.Now()
	for range 2 {
		permit := b.Begin(now)
		b.End(now, permit, budget.Failed)
		retry, _ := b.Admit(now, budget.Retry, budget.Failed, permit)
		b.End(now, retry, budget.Failed)
	}
	fmt.Println("after two retries it is lower:", leveler.Level() < 1)
	// Output:
	// 1
	// after two retries it is lower: true
}

// A Gate may refuse even first attempts; u is a random number.
func ExampleGate() {
	b := budget.ClientThrottle{}.New()
	gate := b.(budget.Gate)
	now := time.Now()
	for range 100 { // the server is down
		gate.Allow(now, 0.999)
		b.End(now, b.Begin(now), budget.Failed)
	}
	fmt.Println(gate.Allow(now, 0.5))
	// Output: false
}

// A Spec is data: one is compared with ==, and each New is a budget of its own.
func ExampleSpec() {
	var spec budget.Spec = budget.Adaptive{Waste: 2, Unanswered: 1000}
	fmt.Println(spec == budget.Spec(budget.Adaptive{Waste: 2, Unanswered: 1000}))
	fmt.Println(spec.Validate())
	// Output:
	// true
	// Unanswered: must be between 0 (the default) and 100, not 1000
	// Waste: must be 0 (the default) or between 0.001 and 1, not 2
}
