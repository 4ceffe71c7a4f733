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

// Each budget of a ring grants perBudget retries in a row, which all succeed, so that every
// library walks over as many budgets. evenkeel's also records earned successes between two turns,
// as one in use does; they are not timed.
const (
	perBudget = 16
	earned    = 150
)

// budgetRetry has goroutines ask shared budgets for a retry and record its success.
func budgetRetry(procs int) *work {
	return &work{
		name: fmt.Sprintf("budget/retry-%d", procs),
		what: "one retry is granted and succeeds, " + by(procs) + ", with shared budgets",
		span: budgetsFor(procs) * perBudget, procs: procs,
		cells: []cell{
			admitCell(evenkeel, procs, evenkeelAdmitting),
			admitCell("failsafe-go, inside", procs, func() admitting {
				b := failsafebudget.New().(failsafePermits)
				return admitting{retries: func(n int) (refused int) {
					for range n {
						if !b.TryAcquirePermit() {
							refused++
							continue
						}
						b.ReleasePermit()
					}
					return refused
				}}
			}),
			admitCell("retry-go", procs, func() admitting {
				b := avast.NewFixedTokenBucketThrottle(avast.FixedTokenBucketThrottleConfig{})
				return admitting{retries: func(n int) (refused int) {
					for range n {
						if !b.AllowRetry(0, errDown) {
							refused++
							continue
						}
						b.OnSuccess(1)
					}
					return refused
				}}
			}),
			admitCell("aws/retry", procs, func() admitting {
				s, ctx := awsStandard(thrice), context.Background()
				return admitting{retries: func(n int) (refused int) {
					for range n {
						release, err := s.GetRetryToken(ctx, errDown)
						if err != nil {
							refused++
							continue
						}
						_ = release(nil)
					}
					return refused
				}}
			}),
		},
	}
}

func evenkeelAdmitting() admitting {
	b := budget.Adaptive{}.New()
	var now time.Time
	return admitting{
		retries: func(n int) (refused int) {
			now := now
			for range n {
				p, ok := b.Admit(now, budget.Retry, budget.Failed, 0)
				if !ok {
					refused++
					continue
				}
				b.End(now, p, budget.Alive)
			}
			return refused
		},
		earn: func() {
			now = time.Now() // a driver has read the clock anyway: the attempt before has failed
			for range earned {
				b.End(now, b.Begin(now), budget.Alive)
			}
		},
	}
}

// admitting is one budget under measurement.
type admitting struct {
	retries func(n int) (refused int)
	earn    func() // nil: nothing is to be earned
}

// budgetsFor returns the size of the ring, small enough for the first cache.
func budgetsFor(procs int) int { return 8 * procs * ringSize }

// admitCell measures a ring of budgets that must not refuse. All goroutines pass every budget
// together.
func admitCell(library string, procs int, one func() admitting) cell {
	return cell{library: library, budget: true, inside: strings.HasSuffix(library, ", inside"), setup: func() rig {
		ring := make([]admitting, budgetsFor(procs))
		for i := range ring {
			ring[i] = one()
		}
		var refused atomic.Int64
		r := spreading(procs, func(from, to int) {
			each, no := (to-from)/len(ring), 0
			for i := range ring {
				no += ring[i].retries(each)
			}
			refused.Add(int64(no))
		})
		r.check = func() error { return noneRefused(refused.Load()) }
		if ring[0].earn == nil {
			return r
		}
		r.limit = len(ring) * perBudget
		r.earn = func() {
			for i := range ring {
				ring[i].earn()
			}
		}
		return r
	}}
}

func noneRefused(n int64) error {
	if n > 0 {
		return fmt.Errorf("%d retries were refused", n)
	}
	return nil
}
