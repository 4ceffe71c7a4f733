package main

import (
	"context"

	avast "github.com/avast/retry-go/v5"
	awsretry "github.com/aws/aws-sdk-go-v2/aws/retry"
	awsmiddleware "github.com/aws/smithy-go/middleware"
	backoff4 "github.com/cenkalti/backoff/v4"
	backoff5 "github.com/cenkalti/backoff/v5"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/googleapis/gax-go/v2"
	sethvargo "github.com/sethvargo/go-retry"

	"github.com/evenkeel-go/evenkeel/retry"
)

// ops counts what a cell's operations do. One goroutine at a time.
type ops struct{ n int }

func (o *ops) ok(context.Context) error                    { o.n++; return nil }
func (o *ops) okPlain() error                              { o.n++; return nil }
func (o *ops) value(context.Context) (int, error)          { o.n++; return o.n, nil }
func (o *ops) valuePlain() (int, error)                    { o.n++; return o.n, nil }
func (o *ops) valueAny() (any, error)                      { o.n++; return nil, nil }
func (o *ops) gax(context.Context, gax.CallSettings) error { o.n++; return nil }

func (o *ops) sent() int { return o.n }

// okCell returns a cell whose every operation is one successful attempt.
func okCell(library string, budget bool, start func(o *ops) func(n int)) cell {
	return cell{library: library, budget: budget, setup: func() rig {
		o := new(ops)
		return rig{run: start(o), sent: o.sent}
	}}
}

// A library whose context is fixed when its policy is made is given one once, and every policy
// that can be used again is: the best case of each. Operations are method values made once.
func doOK() *work {
	return &work{name: "do/ok", what: "a call that succeeds", attempts: 1, cells: okCells(context.Background())}
}

// okCells returns the cells of all libraries with a Do, evenkeel first.
func okCells(ctx context.Context) []cell {
	return append(append(okLimited(ctx), okFree(ctx)...), okByHand(ctx))
}

// okByHand returns the floor of a call that succeeds.
func okByHand(ctx context.Context) cell {
	return bareCell(byHandName, func(o *ops) func(int) {
		b, op := new(handBudget), o.ok
		return func(n int) {
			for range n {
				_ = b.do(ctx, op)
			}
		}
	})
}

// okLimited returns the cells of libraries whose retries have a budget.
func okLimited(ctx context.Context) []cell {
	return []cell{
		okCell(evenkeel, true, func(o *ops) func(int) {
			p, op := policy(thrice), o.ok
			return func(n int) {
				for range n {
					_ = retry.Do(ctx, p, op)
				}
			}
		}),
		okCell("failsafe-go, budget", true, func(o *ops) func(int) {
			executor, op := failsafe.With(failsafePolicies(thrice, budget.New())...).WithContext(ctx), o.okPlain
			return func(n int) {
				for range n {
					_ = executor.Run(op)
				}
			}
		}),
		okCell("retry-go, throttle", true, func(o *ops) func(int) {
			throttle := avast.WithFixedTokenBucketThrottle(avast.FixedTokenBucketThrottleConfig{})
			r, op := avast.New(avast.Attempts(3), avast.Delay(0), avast.Context(ctx), throttle), o.okPlain
			return func(n int) {
				for range n {
					_ = r.Do(op)
				}
			}
		}),
		okCell("aws/retry", true, func(o *ops) func(int) {
			m := awsretry.NewAttemptMiddleware(awsStandard(thrice), func(v any) any { return v })
			op := awsOp(o.ok)
			return func(n int) {
				for range n {
					_, _, _ = m.HandleFinalize(ctx, awsmiddleware.FinalizeInput{}, op)
				}
			}
		}),
	}
}

// okFree returns the cells of libraries whose retries have none.
func okFree(ctx context.Context) []cell {
	return []cell{
		okCell("failsafe-go", false, func(o *ops) func(int) {
			executor, op := failsafe.With(failsafePolicies(thrice, nil)...).WithContext(ctx), o.okPlain
			return func(n int) {
				for range n {
					_ = executor.Run(op)
				}
			}
		}),
		okCell("backoff/v4", false, func(o *ops) func(int) {
			b, op := backoff4.WithContext(backoff4.WithMaxRetries(&backoff4.ZeroBackOff{}, 2), ctx), o.okPlain
			return func(n int) {
				for range n {
					_ = backoff4.Retry(op, b)
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
			r, op := avast.New(avast.Attempts(3), avast.Delay(0), avast.Context(ctx)), o.okPlain
			return func(n int) {
				for range n {
					_ = r.Do(op)
				}
			}
		}),
		okCell("go-retry", false, func(o *ops) func(int) {
			steady, op := goRetryConstant(0), o.ok
			return func(n int) {
				for range n {
					_ = sethvargo.Do(ctx, sethvargo.WithMaxRetries(2, steady), op)
				}
			}
		}),
		okCell("gax-go", false, func(o *ops) func(int) {
			opts, op := gaxOptions(thrice), o.gax
			return func(n int) {
				for range n {
					_ = gax.Invoke(ctx, op, opts...)
				}
			}
		}),
	}
}
