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

// budgetRetry admits one retry and reports its success. What peers get back for that success they may spend again;
// evenkeel earns a tenth of it, so that here too a ring of budgets is filled between the spans.
func budgetRetry(procs int) *work {
	return &work{
		name: fmt.Sprintf("budget/retry-%d", procs),
		what: fmt.Sprintf("one retry is admitted and succeeds, by %d goroutines that share a budget", procs),
		span: budgetsFor(procs) * perPolicy, procs: procs,
		cells: []cell{
			evenkeelAdmitting(procs),
			admitCell("failsafe-go, inside", procs, func(refused *atomic.Int64) func(int, int) {
				b := failsafebudget.New().(failsafePermits)
				return func(from, to int) {
					for range to - from {
						if !b.TryAcquirePermit() {
							refused.Add(1)
							continue
						}
						b.ReleasePermit()
					}
				}
			}),
			admitCell("retry-go", procs, func(refused *atomic.Int64) func(int, int) {
				b := avast.NewFixedTokenBucketThrottle(avast.FixedTokenBucketThrottleConfig{})
				return func(from, to int) {
					for range to - from {
						if !b.AllowRetry(0, errDown) {
							refused.Add(1)
							continue
						}
						b.OnSuccess(1)
					}
				}
			}),
			admitCell("aws/retry", procs, func(refused *atomic.Int64) func(int, int) {
				s, ctx := awsStandard(thrice), context.Background()
				return func(from, to int) {
					for range to - from {
						release, err := s.GetRetryToken(ctx, errDown)
						if err != nil {
							refused.Add(1)
							continue
						}
						_ = release(nil)
					}
				}
			}),
		},
	}
}

// admitCell is a budgetCell that must not refuse.
func admitCell(library string, procs int, start func(refused *atomic.Int64) func(from, to int)) cell {
	return cell{library: library, budget: true, inside: strings.HasSuffix(library, ", inside"), setup: func() rig {
		var refused atomic.Int64
		loop := start(&refused)
		return rig{
			run:   func(n int) { spread(procs, n, loop) },
			check: func() error { return noneRefused(refused.Load()) },
		}
	}}
}

func noneRefused(n int64) error {
	if n > 0 {
		return fmt.Errorf("%d retries were refused", n)
	}
	return nil
}

// budgetsFor is the size of the ring: small enough for the first cache, and for two goroutines large enough that
// starting them does not show.
func budgetsFor(procs int) int {
	if procs == 1 {
		return 4 * ringSize
	}
	return 32 * ringSize
}

func evenkeelAdmitting(procs int) cell {
	now := time.Now() // a driver has read the clock anyway: the attempt before has failed
	ring := make([]*budget.Bucket, budgetsFor(procs))
	c := admitCell(evenkeel, procs, func(refused *atomic.Int64) func(int, int) {
		for i := range ring {
			ring[i] = budget.Adaptive{}.New().(*budget.Bucket)
		}
		return func(from, to int) {
			for i := range to - from {
				b := ring[i*procs>>perPolicyBits&(len(ring)-1)] // every goroutine passes every budget, together
				p, ok := b.Admit(now, budget.Retry, budget.Failed, 0)
				if !ok {
					refused.Add(1)
					continue
				}
				b.End(now, p, budget.Alive)
			}
		}
	})
	setup := c.setup
	c.setup = func() rig {
		r := setup()
		r.limit = len(ring) * perPolicy
		r.earn = func() {
			now = time.Now()
			for _, b := range ring {
				for range successes {
					b.End(now, b.Begin(now), budget.Alive)
				}
			}
		}
		return r
	}
	return c
}
