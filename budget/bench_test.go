package budget_test

import (
	"testing"

	"github.com/evenkeel-go/evenkeel/budget"
)

var benched = []struct {
	name string
	spec budget.Spec
}{
	{"adaptive", budget.Adaptive{}},
	{"token_bucket", budget.TokenBucket{OnSuccess: true}},
	{"grpc", budget.GRPC{}},
	{"aws", budget.AWS{}},
	{"finagle", budget.Finagle{}},
	{"concurrency", budget.Concurrency{}},
	{"ratio", budget.Ratio{}},
	{"client_throttle", budget.ClientThrottle{}},
}

// A call that succeeds first time, on a full bucket.
func BenchmarkOK(b *testing.B) {
	for _, s := range benched {
		b.Run(s.name, func(b *testing.B) {
			bud := full(s.spec)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				now := at(0)
				for pb.Next() {
					bud.End(now, bud.Begin(now), budget.Alive)
				}
			})
		})
	}
}

// A call whose first attempt fails and whose retry, if it is admitted, succeeds.
func BenchmarkRetry(b *testing.B) {
	for _, s := range benched {
		b.Run(s.name, func(b *testing.B) {
			bud := full(s.spec)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				now := at(0)
				for pb.Next() {
					p := bud.Begin(now)
					bud.End(now, p, budget.Failed)
					if p, ok := bud.Admit(now, budget.Retry, budget.Failed, p); ok {
						bud.End(now, p, budget.Alive)
					}
				}
			})
		})
	}
}

// A call that fails while nothing works: what an outage costs each caller.
func BenchmarkRefused(b *testing.B) {
	for _, s := range benched {
		b.Run(s.name, func(b *testing.B) {
			bud := full(s.spec)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				now := at(0)
				for pb.Next() {
					p := bud.Begin(now)
					bud.End(now, p, budget.Failed)
					if p, ok := bud.Admit(now, budget.Retry, budget.Failed, p); ok {
						bud.End(now, p, budget.Failed)
					}
				}
			})
		})
	}
}

// A call that asks again while it waits for others' retries.
func BenchmarkWaiting(b *testing.B) {
	bud := full(budget.Adaptive{})
	for range 2 {
		ask(bud, 0, failed, fail(bud, 0, failed))
	}
	held, _ := ask(bud, 0, failed, fail(bud, 0, failed))
	for b.Loop() {
		held, _ = ask(bud, 0, failed, held)
	}
}
