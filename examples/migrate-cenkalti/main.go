// Command migrate-cenkalti moves a call from cenkalti/backoff to evenkeel in three steps, each of
// which can be shipped.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	cenkalti "github.com/cenkalti/backoff/v4"

	"github.com/evenkeel-go/evenkeel/backoff"
	interop "github.com/evenkeel-go/evenkeel/backoff/cenkalti"
	"github.com/evenkeel-go/evenkeel/retry"
)

func main() {
	before()
	step1()
	step2()
	step3()
}

func before() {
	b := cenkalti.NewExponentialBackOff(cenkalti.WithInitialInterval(time.Millisecond))
	op := fetch(cenkalti.Permanent)
	err := cenkalti.Retry(func() error { return op(context.Background()) }, cenkalti.WithMaxRetries(b, 2))
	fmt.Println("before:", err)
}

// Step 1: another delay. Only the line that makes the BackOff changes.
func step1() {
	b := interop.To(backoff.FullJitter(time.Millisecond, time.Minute), interop.MaxAttempts(3))
	op := fetch(cenkalti.Permanent)
	err := cenkalti.Retry(func() error { return op(context.Background()) }, b)
	fmt.Println("step 1:", err)
}

// Step 2: another loop, with the BackOff and cenkalti.Permanent as they were. From here on there
// is a budget, and the error says why the call stopped. The policy is made once, and not for each
// call.
func step2() {
	policy := retry.Must(retry.New(retry.Config{
		MaxAttempts: 3,
		Backoff: interop.From(func() cenkalti.BackOff {
			return cenkalti.NewExponentialBackOff(cenkalti.WithInitialInterval(time.Millisecond))
		}),
	}))
	err := retry.Do(context.Background(), policy, fetch(cenkalti.Permanent))
	fmt.Println("step 2:", err)
}

// Step 3: cenkalti/backoff is gone.
func step3() {
	policy := retry.Must(retry.New(retry.Config{
		MaxAttempts: 3,
		Backoff:     backoff.FullJitter(time.Millisecond, time.Minute),
	}))
	err := retry.Do(context.Background(), policy, fetch(retry.Permanent))
	fmt.Println("step 3:", err)
}

// fetch fails twice: once in a way that a retry may mend, once for good.
func fetch(permanent func(error) error) func(context.Context) error {
	attempts := 0
	return func(context.Context) error {
		if attempts++; attempts == 1 {
			return errors.New("connection reset")
		}
		return permanent(errors.New("no such user"))
	}
}
