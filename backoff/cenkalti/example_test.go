package cenkalti_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	upstream "github.com/cenkalti/backoff/v4"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/backoff/cenkalti"
	"github.com/evenkeel-go/evenkeel/retry"
)

// The first step of a migration changes one line: what the library's own loop waits.
func ExampleTo() {
	b := cenkalti.To(backoff.FullJitter(time.Microsecond, time.Millisecond), cenkalti.MaxAttempts(3))
	sent := 0
	err := upstream.Retry(func() error {
		sent++
		return errors.New("busy")
	}, b)
	fmt.Println(sent, err)
	// Output: 3 busy
}

// The second step keeps the BackOff and the operation, and takes the loop.
func ExampleFrom() {
	p := retry.Must(retry.New(retry.Config{
		Backoff: cenkalti.From(func() upstream.BackOff {
			return upstream.NewExponentialBackOff(upstream.WithInitialInterval(time.Microsecond))
		}),
	}))

	sent := 0
	err := retry.Do(context.Background(), p, func(context.Context) error {
		sent++
		if sent == 1 {
			return errors.New("busy")
		}
		return upstream.Permanent(errors.New("no such user"))
	})
	var stopped *retry.Error
	fmt.Println(sent, errors.As(err, &stopped), stopped.Reason)
	// Output: 2 true rejected
}
