package main

import (
	"context"
	"errors"

	avast "github.com/avast/retry-go/v5"
	backoff4 "github.com/cenkalti/backoff/v4"
	backoff5 "github.com/cenkalti/backoff/v5"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	sethvargo "github.com/sethvargo/go-retry"
)

var errDown = errors.New("down")

// flaky fails every other time. One goroutine at a time.
type flaky struct{ n int }

func (f *flaky) op(context.Context) error { return f.plain() }

func (f *flaky) plain() error {
	f.n++
	if f.n&1 == 1 {
		return errDown
	}
	return nil
}

func (f *flaky) marked(context.Context) error { return sethvargo.RetryableError(f.plain()) }
func (f *flaky) value() (struct{}, error)     { return struct{}{}, f.plain() }
func (f *flaky) sent() int                    { return f.n }

// failingCell returns a cell whose every operation fails once.
func failingCell(library string, budget bool, start func(f *flaky) func(n int)) cell {
	return cell{library: library, budget: budget, setup: func() rig {
		f := new(flaky)
		return rig{run: start(f), sent: f.sent}
	}}
}

func doOneFail() *work {
	return &work{
		name: "do/one-fail", what: "a call that fails once and is retried at once",
		attempts: 2, cells: failingCells(context.Background(), thrice),
	}
}

// failingCells returns the cells of all libraries with a Do, evenkeel first, for operations that
// fail once.
func failingCells(ctx context.Context, r rules) []cell {
	return append(failingLimited(ctx, r), failingFree(ctx, r)...)
}

// failingLimited returns the cells of libraries whose retries have a budget.
func failingLimited(ctx context.Context, r rules) []cell {
	return []cell{
		failingCell(evenkeel, true, func(f *flaky) func(int) { return calls(ctx, evenkeelLibrary.do(r), f.op) }),
		failingCell("failsafe-go, budget", true, func(f *flaky) func(int) {
			executor, op := failsafe.With(failsafePolicies(r, budget.New())...).WithContext(ctx), f.plain
			return func(n int) {
				for range n {
					_ = executor.Run(op)
				}
			}
		}),
		failingCell("retry-go, throttle", true, func(f *flaky) func(int) {
			throttle := avast.WithFixedTokenBucketThrottle(avast.FixedTokenBucketThrottleConfig{})
			p, op := retryGoPolicy(ctx, r, throttle), f.plain
			return func(n int) {
				for range n {
					_ = p.Do(op)
				}
			}
		}),
		failingCell("aws/retry", true, func(f *flaky) func(int) { return calls(ctx, awsDo(r), f.op) }),
	}
}

// failingFree returns the cells of libraries whose retries have none.
func failingFree(ctx context.Context, r rules) []cell {
	return []cell{
		failingCell("failsafe-go", false, func(f *flaky) func(int) {
			executor, op := failsafe.With(failsafePolicies(r, nil)...).WithContext(ctx), f.plain
			return func(n int) {
				for range n {
					_ = executor.Run(op)
				}
			}
		}),
		failingCell("backoff/v4", false, func(f *flaky) func(int) {
			b, op := backoff4.WithContext(backoff4.WithMaxRetries(constant4(r.delay), 2), ctx), f.plain
			return func(n int) {
				for range n {
					_ = backoff4.Retry(op, b)
				}
			}
		}),
		failingCell("backoff/v5", false, func(f *flaky) func(int) {
			opts := []backoff5.RetryOption{backoff5.WithBackOff(constant5(r.delay)), backoff5.WithMaxTries(3)}
			op := f.value
			return func(n int) {
				for range n {
					_, _ = backoff5.Retry(ctx, op, opts...)
				}
			}
		}),
		failingCell("retry-go", false, func(f *flaky) func(int) {
			p, op := retryGoPolicy(ctx, r), f.plain
			return func(n int) {
				for range n {
					_ = p.Do(op)
				}
			}
		}),
		failingCell("go-retry", false, func(f *flaky) func(int) {
			steady, op := goRetryConstant(r.delay), f.marked
			return func(n int) {
				for range n {
					_ = sethvargo.Do(ctx, sethvargo.WithMaxRetries(2, steady), op)
				}
			}
		}),
		failingCell("gax-go", false, func(f *flaky) func(int) { return calls(ctx, gaxLibrary.do(r), f.op) }),
	}
}

// calls makes n calls.
func calls(ctx context.Context, do doer, op func(context.Context) error) func(n int) {
	return func(n int) {
		for range n {
			_ = do(ctx, op)
		}
	}
}

func retryGoPolicy(ctx context.Context, r rules, more ...avast.Option) *avast.Retrier {
	return avast.New(append([]avast.Option{
		avast.Attempts(uint(r.attempts)), avast.Delay(r.delay), avast.DelayType(avast.FixedDelay), avast.LastErrorOnly(true),
		avast.Context(ctx),
	}, more...)...)
}
