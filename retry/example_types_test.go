package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// A policy that says everything. Each field at its zero value has a default, so most programs say
// one or two.
func ExampleConfig() {
	policy, err := retry.New(retry.Config{
		MaxAttempts:      4,
		Backoff:          backoff.FullJitter(100*time.Millisecond, 5*time.Second),
		ThrottledBackoff: backoff.FullJitter(2*time.Second, time.Minute),
		Budget:           budget.Adaptive{Strict: true},
		AttemptTimeout:   timeout.Percentile{Rate: 0.01, Ceiling: 2 * time.Second},
		Hedge:            timeout.Percentile{Rate: 0.05},
		MaxHint:          10 * time.Second,
	})
	fmt.Println(policy.Config().MaxHint, err)
	// Output: 10s <nil>
}

// New names every mistake, each with its path.
func ExampleNew_mistakes() {
	_, err := retry.New(retry.Config{MaxAttempts: -7, Budget: budget.Adaptive{Unanswered: 1000}, MaxHint: -time.Second})
	fmt.Println(err)
	// Output:
	// retry: bad policy: MaxAttempts: must be at least 1, 0 for the default or Unlimited, not -7
	// MaxHint: must not be negative, not -1s
	// Budget.Unanswered: must be between 0 (the default) and 100, not 1000
}

// An Error sees through to the last attempt's error, and remembers the others.
func ExampleError() {
	policy := retry.Must(retry.New(fast))
	err := retry.Do(context.Background(), policy, func(ctx context.Context) error {
		if retry.AttemptNumber(ctx) == 1 {
			return errors.New("connection reset")
		}
		return fmt.Errorf("read reply: %w", io.ErrUnexpectedEOF)
	})
	fmt.Println(errors.Is(err, io.ErrUnexpectedEOF))

	var stopped *retry.Error
	if errors.As(err, &stopped) {
		fmt.Println(stopped.Reason, "after", stopped.Attempts)
		for _, f := range stopped.History {
			fmt.Println(f.Attempt, f.Class, f.Err)
		}
	}
	// Output:
	// true
	// max_attempts after 3
	// 1 transient connection reset
	// 2 transient read reply: unexpected EOF
	// 3 transient read reply: unexpected EOF
}

// tally counts attempts and calls.
type tally struct{ attempts, calls int }

func (c *tally) AttemptDone(context.Context, retry.Attempt) { c.attempts++ } // atomic, where calls are concurrent

func (c *tally) CallDone(_ context.Context, r retry.Report) {
	c.calls++
	fmt.Println(r.Reason, "attempts:", r.Attempts, "retries:", r.Retries(), "hedges:", r.Hedges)
}

func ExampleObserver() {
	c := new(tally)
	policy := retry.Must(retry.New(fast, retry.WithObserver(c)))
	_ = retry.Do(context.Background(), policy, func(ctx context.Context) error {
		if retry.AttemptNumber(ctx) == 1 {
			return errors.New("connection reset")
		}
		return nil
	})
	fmt.Println(c.attempts, "attempts of", c.calls, "call")
	// Output:
	// success attempts: 2 retries: 1 hedges: 0
	// 2 attempts of 1 call
}
