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

// failsafePermits names the methods that failsafe's executors call. The interface that it exports
// has only Rate, so nobody can use its budget like this: the row is there to be compared with, and
// no bar is.
type failsafePermits interface {
	RecordExecution()
	ReleaseExecution()
	TryAcquirePermit() bool
	ReleasePermit()
}

// budgetCell runs loop(start, n) on procs goroutines that share one budget: a step of procs each.
func budgetCell(library string, procs int, start func() func(from, to int)) cell {
	return cell{library: library, budget: true, inside: strings.HasSuffix(library, ", inside"), setup: func() rig {
		return spreading(procs, start())
	}}
}

// spreading returns a rig that splits its operations over goroutines and starts the time when all
// are ready: waking one takes longer than some thousands of operations.
func spreading(procs int, loop func(from, to int)) rig {
	if procs == 1 {
		return rig{run: func(n int) { loop(0, n) }}
	}
	var took time.Duration
	return rig{
		run:  func(n int) { took = spread(procs, n, loop) },
		took: func() time.Duration { return took },
	}
}

// spread splits n operations over goroutines that begin at the same time, the caller's among them.
func spread(procs, n int, loop func(from, to int)) time.Duration {
	var ready, over atomic.Int32
	await := func(count *atomic.Int32) {
		count.Add(1)
		for int(count.Load()) < procs { // as close together as can be
		}
	}
	for i := 1; i < procs; i++ {
		go func() {
			await(&ready)
			loop(n*i/procs, n*(i+1)/procs)
			over.Add(1)
		}()
	}
	await(&ready)
	start := time.Now()
	loop(0, n/procs)
	await(&over)
	return time.Since(start)
}

func budgetOK(procs int) *work {
	return &work{
		name: fmt.Sprintf("budget/ok-%d", procs),
		what: "the budget records that a first attempt is sent and that it succeeded, " + by(procs),
		span: 100_000, procs: procs,
		cells: []cell{
			budgetCell(evenkeel, procs, func() func(int, int) {
				b := budget.Adaptive{}.New()
				for range 1000 {
					b.End(time.Time{}, b.Begin(time.Time{}), budget.Alive)
				}
				return func(from, to int) {
					for range to - from {
						b.End(time.Time{}, b.Begin(time.Time{}), budget.Alive)
					}
				}
			}),
			budgetCell("failsafe-go, inside", procs, func() func(int, int) {
				b := failsafebudget.New().(failsafePermits)
				return func(from, to int) {
					for range to - from {
						b.RecordExecution()
						b.ReleaseExecution()
					}
				}
			}),
			budgetCell("retry-go", procs, func() func(int, int) {
				b := avast.NewFixedTokenBucketThrottle(avast.FixedTokenBucketThrottleConfig{})
				return func(from, to int) {
					for range to - from {
						b.OnSuccess(0)
					}
				}
			}),
			budgetCell("aws/retry", procs, func() func(int, int) {
				s, ctx := awsStandard(thrice), context.Background()
				return func(from, to int) {
					for range to - from {
						release, _ := s.GetAttemptToken(ctx)
						_ = release(nil)
					}
				}
			}),
		},
	}
}
