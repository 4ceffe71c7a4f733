package main

import (
	"context"
	"time"

	avast "github.com/avast/retry-go/v5"
)

func retryGoDo(r rules, more ...avast.Option) doer {
	opts := append([]avast.Option{
		avast.Attempts(uint(r.attempts)), avast.Delay(r.delay), avast.DelayType(avast.FixedDelay), avast.LastErrorOnly(true),
	}, more...)
	// The context is an option of the Retrier, so one is made for each call, as its documentation
	// does.
	return func(ctx context.Context, op func(context.Context) error) error {
		return avast.New(append(opts[:len(opts):len(opts)], avast.Context(ctx))...).Do(func() error { return op(ctx) })
	}
}

// delayContext implements the context that retry-go passes to delay functions.
type delayContext struct{ base, limit time.Duration }

func (d delayContext) Delay() time.Duration     { return d.base }
func (d delayContext) MaxDelay() time.Duration  { return d.limit }
func (d delayContext) MaxJitter() time.Duration { return d.base }
func (d delayContext) MaxBackOffN() uint        { return 36 }

var retryGoLibrary = &library{
	name:   "retry-go",
	module: "github.com/avast/retry-go/v5",
	do:     func(r rules) doer { return retryGoDo(r) },
	delay: func(base, limit time.Duration) func(int) time.Duration {
		ctx := delayContext{base, limit}
		return func(n int) time.Duration { return avast.FullJitterBackoffDelay(uint(n), errDown, ctx) }
	},
	budgeted: func(r rules) (doer, retryLimit) {
		throttle := avast.NewFixedTokenBucketThrottle(avast.FixedTokenBucketThrottleConfig{})
		return retryGoDo(r, avast.WithThrottle(throttle)), retryLimit{total: 20}
	},
}
