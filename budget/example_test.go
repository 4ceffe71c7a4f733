package budget_test

import (
	"fmt"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
)

// outages shows how many retries a budget affords when everything fails at once, after a time of
// health.
func outages(s budget.Spec) int {
	b := s.New()
	now := time.Now()
	for range 1000 {
		b.End(now, b.Begin(now), budget.Alive)
	}
	retries := 0
	for range 1000 {
		p := b.Begin(now)
		b.End(now, p, budget.Failed)
		if p, ok := b.Admit(now, budget.Retry, budget.Failed, p); ok {
			retries++
			b.End(now, p, budget.Failed)
		}
	}
	return retries
}

func ExampleAdaptive() {
	fmt.Println("retries of 1,000 calls that fail:", outages(budget.Adaptive{}))
	fmt.Println("strict:", outages(budget.Adaptive{Strict: true}))
	// Output:
	// retries of 1,000 calls that fail: 1
	// strict: 1
}

// A retry that is due asks, and asks again while the answer is Later.
func ExampleQueue() {
	b := budget.Adaptive{}.New().(budget.Queue)
	now := time.Now()
	var held [3]budget.Permit
	for i := range held { // three calls fail together
		held[i] = b.Begin(now)
		b.End(now, held[i], budget.Failed)
	}
	var answers [3]budget.Answer
	for i := range held {
		held[i], answers[i] = b.Ask(now, budget.Retry, budget.Failed, held[i])
	}
	fmt.Println("the third waits:", answers[2] == budget.Later)
	b.End(now, held[0], budget.Alive) // the first's retry succeeds
	_, answer := b.Ask(now, budget.Retry, budget.Failed, held[2])
	fmt.Println("and is granted its own:", answer == budget.Granted)
	// Output:
	// the third waits: true
	// and is granted its own: true
}

func ExampleTokenBucket() {
	fmt.Println("filled by calls:", outages(budget.TokenBucket{}))
	fmt.Println("filled by successes:", outages(budget.TokenBucket{OnSuccess: true}))
	// Output:
	// filled by calls: 104
	// filled by successes: 4
}

func ExampleGRPC() {
	fmt.Println(outages(budget.GRPC{MaxTokens: 100, TokenRatio: 0.1}))
	fmt.Println(budget.GRPC{MaxTokens: 1001}.Validate())
	// Output:
	// 25
	// MaxTokens: must be above 0 and at most 1000, with at most three decimals, not 1001
}

func ExampleAWS() {
	fmt.Println(outages(budget.AWS{}), outages(budget.AWS{Mode: budget.AWS2026}))
	// Output: 100 35
}

func ExampleFinagle() {
	fmt.Println(outages(budget.Finagle{TTL: 10 * time.Second, Ratio: 0.2, MinPerSecond: 10}))
	// Output: 500
}

func ExampleConcurrency() {
	fmt.Println(outages(budget.Concurrency{Ratio: 0.2, Min: 3}), "because one call runs at a time")
	// Output: 1000 because one call runs at a time
}

func ExampleRatio() {
	fmt.Println(outages(budget.Ratio{Ratio: 0.1, Window: 2 * time.Minute}))
	// Output: 223
}

func ExampleClientThrottle() {
	b := budget.ClientThrottle{K: 2, Retries: budget.Adaptive{}}.New()
	gate := b.(budget.Gate)
	now := time.Now()
	sent := 0
	for i := range 1000 {
		u := float64(i%10) / 10 // a random number in [0, 1)
		if gate.Allow(now, u) {
			sent++
			b.End(now, b.Begin(now), budget.Overloaded)
		}
	}
	fmt.Println(sent < 200)
	// Output: true
}

func ExampleUnlimited() {
	fmt.Println(outages(budget.Unlimited{}))
	// Output: 1000
}

func ExampleShared() {
	one := budget.Shared(budget.Adaptive{}.New())
	fmt.Println(one.New() == one.New())
	// Output: true
}

func ExampleMarshalSpec() {
	text, err := budget.MarshalSpec(budget.Finagle{TTL: 5 * time.Second})
	fmt.Println(string(text), err)
	// Output: {"finagle":{"ttl":"5s"}} <nil>
}

func ExampleUnmarshalSpec() {
	spec, err := budget.UnmarshalSpec([]byte(`{"adaptive": {"waste": 0.05}}`))
	fmt.Printf("%+v %v\n", spec, err)
	_, err = budget.UnmarshalSpec([]byte(`{"adaptive": {"waste": 5, "strcit": true}}`))
	fmt.Println(err)
	// Output:
	// {Unanswered:0 Waste:0.05 Patience:0s Waiting:0 Strict:false} <nil>
	// adaptive.strcit: unknown field (did you mean strict?)
	// adaptive.waste: must be 0 (the default) or between 0.001 and 1, not 5
}
