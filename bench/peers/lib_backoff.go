package main

import (
	"context"
	"time"

	backoff4 "github.com/cenkalti/backoff/v4"
	backoff5 "github.com/cenkalti/backoff/v5"
)

func constant4(d time.Duration) backoff4.BackOff {
	if d == 0 {
		return &backoff4.ZeroBackOff{}
	}
	return backoff4.NewConstantBackOff(d)
}

var backoff4Library = &library{
	name:   "backoff/v4",
	module: "github.com/cenkalti/backoff/v4",
	do: func(r rules) doer {
		steady := constant4(r.delay) // stateless: shared. WithMaxRetries counts, so it is made for each call
		return func(ctx context.Context, op func(context.Context) error) error {
			b := backoff4.WithContext(backoff4.WithMaxRetries(steady, uint64(r.attempts-1)), ctx)
			return backoff4.Retry(func() error { return op(ctx) }, b)
		}
	},
	aboveCap: 0.5,
	delay: func(base, limit time.Duration) func(int) time.Duration {
		return func(n int) time.Duration {
			b := backoff4.NewExponentialBackOff(
				backoff4.WithInitialInterval(base), backoff4.WithMaxInterval(limit), backoff4.WithMaxElapsedTime(0),
			)
			return nth(n, b.NextBackOff)
		}
	},
}

func constant5(d time.Duration) backoff5.BackOff {
	if d == 0 {
		return &backoff5.ZeroBackOff{}
	}
	return backoff5.NewConstantBackOff(d)
}

var backoff5Library = &library{
	name:   "backoff/v5",
	module: "github.com/cenkalti/backoff/v5",
	do: func(r rules) doer {
		opts := []backoff5.RetryOption{
			backoff5.WithBackOff(constant5(r.delay)), backoff5.WithMaxTries(uint(r.attempts)),
		}
		return func(ctx context.Context, op func(context.Context) error) error {
			_, err := backoff5.Retry(ctx, func() (struct{}, error) { return struct{}{}, op(ctx) }, opts...)
			return err
		}
	},
	aboveCap: 0.5,
	delay: func(base, limit time.Duration) func(int) time.Duration {
		return func(n int) time.Duration {
			b := backoff5.NewExponentialBackOff()
			b.InitialInterval, b.MaxInterval = base, limit
			return nth(n, b.NextBackOff)
		}
	},
}

// nth returns the nth delay of a sequence.
func nth(n int, next func() time.Duration) (d time.Duration) {
	for range n {
		d = next()
	}
	return d
}
