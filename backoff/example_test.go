package backoff_test

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
)

func ExampleFullJitter() {
	s := backoff.FullJitter(50*time.Millisecond, 20*time.Second)
	for _, wait := range []int{1, 2, 3, 10, 1_000_000} {
		fmt.Println(wait, "from", s.Delay(wait, 0, 0), "to", s.Delay(wait, 0, 1).Round(time.Millisecond))
	}
	// Output:
	// 1 from 0s to 50ms
	// 2 from 0s to 100ms
	// 3 from 0s to 200ms
	// 10 from 0s to 20s
	// 1000000 from 0s to 20s
}

// gRPC's retry backoff: exponential, and 20 % around it.
func ExampleProportional() {
	s := backoff.Proportional(backoff.Exponential(time.Second, 2*time.Minute), 0.2)
	fmt.Println(s.Delay(1, 0, 0), s.Delay(1, 0, 0.5), s.Delay(1, 0, 0.75))
	// Output: 800ms 1s 1.1s
}

// Bound the curve, and then jitter it: a crowd at the bound is still spread.
func ExampleCap() {
	curve := backoff.Cap(backoff.Fibonacci(time.Second, time.Hour), 10*time.Second)
	s := backoff.Full(curve)
	for wait := 5; wait <= 8; wait++ {
		fmt.Println(curve.Delay(wait, 0, 0.3), s.Delay(wait, 0, 0.3), s.Delay(wait, 0, 0.6))
	}
	// Output:
	// 5s 1.5s 3s
	// 8s 2.4s 4.8s
	// 10s 3s 6s
	// 10s 3s 6s
}

func ExampleUnmarshalStrategy() {
	s, err := backoff.UnmarshalStrategy([]byte(`{"full": {"of": {"linear": {"base": "1s", "cap": "1m"}}}}`))
	fmt.Println(s.Delay(3, 0, 0.5), err)
	_, err = backoff.UnmarshalStrategy([]byte(`{"full_jitter": {"base": "50", "cap": "-1s", "max": "2s"}}`))
	fmt.Println(err)
	// Output:
	// 1.5s <nil>
	// full_jitter.base: must be a duration like "250ms", with a unit: "50s" for seconds
	// full_jitter.max: unknown field
	// full_jitter.cap: must be above 0, not -1s
}

func ExamplePhase() {
	for _, host := range []string{"web1", "web2", "web3"} {
		fmt.Println(host, "refreshes at second", int(backoff.Phase(host+"/refresh", time.Minute).Seconds()))
	}
	// Output:
	// web1 refreshes at second 27
	// web2 refreshes at second 46
	// web3 refreshes at second 36
}

func ExampleEvery() {
	ctx, cancel := context.WithCancel(context.Background())
	runs := 0
	err := backoff.Every(ctx, "web1/refresh", time.Millisecond, func(context.Context) error {
		if runs++; runs == 3 {
			cancel()
		}
		return nil
	})
	fmt.Println(runs, err)
	// Output: 3 context canceled
}
