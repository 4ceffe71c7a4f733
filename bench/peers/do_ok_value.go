package main

import (
	"context"

	avast "github.com/avast/retry-go/v5"
	backoff4 "github.com/cenkalti/backoff/v4"
	backoff5 "github.com/cenkalti/backoff/v5"
	"github.com/failsafe-go/failsafe-go"
	sethvargo "github.com/sethvargo/go-retry"

	"github.com/evenkeel-go/evenkeel/retry"
)

func doOKValue() *work {
	ctx := context.Background()
	return &work{
		name: "do/ok-value", what: "a call that returns a value and succeeds", attempts: 1,
		cells: append(okValueLimited(ctx), okValueFree(ctx)...),
	}
}

func okValueLimited(ctx context.Context) []cell {
	return []cell{
		okCell(evenkeel, true, func(o *ops) func(int) {
			p, op := policy(thrice), o.value
			return func(n int) {
				for range n {
					_, _ = retry.DoValue(ctx, p, op)
				}
			}
		}),
		okCell("retry-go, throttle", true, func(o *ops) func(int) {
			throttle := avast.WithFixedTokenBucketThrottle(avast.FixedTokenBucketThrottleConfig{})
			r := avast.NewWithData[int](avast.Attempts(3), avast.Delay(0), avast.Context(ctx), throttle)
			op := o.valuePlain
			return func(n int) {
				for range n {
					_, _ = r.Do(op)
				}
			}
		}),
	}
}

func okValueFree(ctx context.Context) []cell {
	return []cell{
		okCell("failsafe-go", false, func(o *ops) func(int) {
			executor, op := failsafe.With(failsafePolicies(thrice, nil)...).WithContext(ctx), o.valueAny
			return func(n int) {
				for range n {
					_, _ = executor.Get(op)
				}
			}
		}),
		okCell("backoff/v4", false, func(o *ops) func(int) {
			b, op := backoff4.WithContext(backoff4.WithMaxRetries(&backoff4.ZeroBackOff{}, 2), ctx), o.valuePlain
			return func(n int) {
				for range n {
					_, _ = backoff4.RetryWithData(op, b)
				}
			}
		}),
		okCell("backoff/v5", false, func(o *ops) func(int) {
			opts := []backoff5.RetryOption{backoff5.WithBackOff(&backoff5.ZeroBackOff{}), backoff5.WithMaxTries(3)}
			op := o.valuePlain
			return func(n int) {
				for range n {
					_, _ = backoff5.Retry(ctx, op, opts...)
				}
			}
		}),
		okCell("retry-go", false, func(o *ops) func(int) {
			r, op := avast.NewWithData[int](avast.Attempts(3), avast.Delay(0), avast.Context(ctx)), o.valuePlain
			return func(n int) {
				for range n {
					_, _ = r.Do(op)
				}
			}
		}),
		okCell("go-retry", false, func(o *ops) func(int) {
			steady, op := goRetryConstant(0), o.value
			return func(n int) {
				for range n {
					_, _ = sethvargo.DoValue(ctx, sethvargo.WithMaxRetries(2, steady), op)
				}
			}
		}),
	}
}
