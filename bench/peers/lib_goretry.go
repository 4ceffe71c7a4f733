package main

import (
	"context"
	"time"

	sethvargo "github.com/sethvargo/go-retry"
)

// goRetryConstant returns NewConstant's backoff, and one without a delay where NewConstant refuses
// zero.
func goRetryConstant(d time.Duration) sethvargo.Backoff {
	if d == 0 {
		return sethvargo.BackoffFunc(func() (time.Duration, bool) { return 0, false })
	}
	return sethvargo.NewConstant(d)
}

var goRetryLibrary = &library{
	name:   "go-retry",
	module: "github.com/sethvargo/go-retry",
	do: func(r rules) doer {
		steady := goRetryConstant(r.delay) // stateless: shared. WithMaxRetries counts, so it is made for each call
		return func(ctx context.Context, op func(context.Context) error) error {
			return sethvargo.Do(ctx, sethvargo.WithMaxRetries(uint64(r.attempts-1), steady), func(ctx context.Context) error {
				return sethvargo.RetryableError(op(ctx))
			})
		}
	},
	delay: func(base, limit time.Duration) func(int) time.Duration {
		return func(n int) time.Duration {
			b := sethvargo.WithFullJitter(sethvargo.WithCappedDuration(limit, sethvargo.NewExponential(base)))
			return nth(n, func() time.Duration { d, _ := b.Next(); return d })
		}
	},
}
