package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	avast "github.com/avast/retry-go/v5"
	failsafebudget "github.com/failsafe-go/failsafe-go/budget"

	"github.com/evenkeel-go/evenkeel/budget"
)

// budgetRetry has goroutines ask a shared budget for a retry and record its success.
func budgetRetry(procs int) *work {
	return &work{
		name: fmt.Sprintf("budget/retry-%d", procs),
		what: "one retry is granted and succeeds, " + by(procs) + " with one budget",
		span: parallelSpan, procs: procs,
		cells: []cell{
			admitCell(evenkeel, procs, evenkeelRetries),
			admitCell("failsafe-go, inside", procs, func() func(int) int {
				b := failsafebudget.New().(failsafePermits)
				return func(n int) (refused int) {
					for range n {
						if !b.TryAcquirePermit() {
							refused++
							continue
						}
						b.ReleasePermit()
					}
					return refused
				}
			}),
			admitCell("retry-go", procs, func() func(int) int {
				b := avast.NewFixedTokenBucketThrottle(avast.FixedTokenBucketThrottleConfig{})
				return func(n int) (refused int) {
					for range n {
						if !b.AllowRetry(0, errDown) {
							refused++
							continue
						}
						b.OnSuccess(1)
					}
					return refused
				}
			}),
			admitCell("aws/retry", procs, func() func(int) int {
				s, ctx := awsStandard(thrice), context.Background()
				return func(n int) (refused int) {
					for range n {
						release, err := s.GetRetryToken(ctx, errDown)
						if err != nil {
							refused++
							continue
						}
						_ = release(nil)
					}
					return refused
				}
			}),
		},
	}
}

func evenkeelRetries() func(int) int {
	b := budget.Adaptive{}.New()
	return func(n int) (refused int) {
		now := time.Now() // a driver has read the clock anyway: the attempt before has failed
		for range n {
			p, ok := b.Admit(now, budget.Retry, budget.Failed, 0)
			if !ok {
				refused++
				continue
			}
			b.End(now, p, budget.Alive)
		}
		return refused
	}
}

// admitCell measures a budget that must not refuse. The function that start returns asks for n
// retries, and returns how many were refused.
func admitCell(library string, procs int, start func() func(n int) (refused int)) cell {
	return cell{library: library, budget: true, inside: strings.HasSuffix(library, ", inside"), setup: func() rig {
		retries := start()
		var refused atomic.Int64
		r := spreading(procs, func(from, to int) { refused.Add(int64(retries(to - from))) })
		r.check = func() error {
			if n := refused.Load(); n > 0 {
				return fmt.Errorf("%d retries were refused", n)
			}
			return nil
		}
		return r
	}}
}
