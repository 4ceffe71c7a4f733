package timeout_test

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel-go/evenkeel/timeout"
)

func ExampleFixed() {
	limit := timeout.Fixed(250 * time.Millisecond)
	fmt.Println(limit.New().Timeout())
	fmt.Println(timeout.Fixed(0).Validate())
	// Output:
	// 250ms
	// must be more than 0, not 0s
}

func ExampleLeft() {
	_, ok := timeout.Left(context.Background())
	fmt.Println(ok)

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	left, ok := timeout.Left(ctx)
	fmt.Println(left.Round(time.Minute), ok)
	// Output:
	// false
	// 1m0s true
}

func ExampleMarshalSpec() {
	for _, spec := range []timeout.Spec{
		timeout.Fixed(250 * time.Millisecond),
		timeout.Percentile{Rate: 0.01, Ceiling: 2 * time.Second},
	} {
		text, err := timeout.MarshalSpec(spec)
		fmt.Println(string(text), err)
	}
	// Output:
	// {"fixed":"250ms"} <nil>
	// {"percentile":{"ceiling":"2s","rate":0.01}} <nil>
}

// Percentile makes Learners: told how long attempts took, they know what is usual.
func ExampleLearner() {
	learner := timeout.Percentile{WarmUp: 3, Rate: 0.1}.New().(timeout.Learner)
	now := time.Now()
	for range 50 {
		now = now.Add(100 * time.Millisecond)
		learner.Observe(now, 20*time.Millisecond, true)
	}
	fmt.Println(learner.Usual().Round(time.Millisecond), learner.Timeout() >= 30*time.Millisecond)
	// Output: 20ms true
}
