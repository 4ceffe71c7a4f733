package timeout_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/evenkeel-go/evenkeel/timeout"
)

// A thousand latencies, so that the benchmark spends its time in what it measures.
func latencies() []time.Duration {
	r, latency := rand.New(rand.NewPCG(1, 1)), lognormal(20*time.Millisecond, 0.5)
	all := make([]time.Duration, 1024)
	for i := range all {
		all[i] = latency(0, r)
	}
	return all
}

func BenchmarkObserve(b *testing.B) {
	took := latencies()
	now := time.Now()
	b.Run("one", func(b *testing.B) {
		l := timeout.Percentile{}.New().(timeout.Learner)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			l.Observe(now.Add(time.Duration(i)*time.Microsecond), took[i%len(took)], true)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		l := timeout.Percentile{}.New().(timeout.Learner)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := rand.IntN(1000); pb.Next(); i++ {
				l.Observe(now.Add(time.Duration(i)*time.Microsecond), took[i%len(took)], true)
			}
		})
	})
	b.Run("parallel/same latency", func(b *testing.B) {
		l := timeout.Percentile{}.New().(timeout.Learner)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				l.Observe(now.Add(time.Duration(i)*time.Microsecond), took[0], true)
			}
		})
	})
}

func BenchmarkTimeout(b *testing.B) {
	l := timeout.Percentile{}.New()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var sum time.Duration
		for pb.Next() {
			sum += l.Timeout()
		}
		_ = sum
	})
}

// Refresh measures an observation that also computes the limit, as one in a tenth of a second
// does.
func BenchmarkRefresh(b *testing.B) {
	took := latencies()
	l := timeout.Percentile{}.New().(timeout.Learner)
	now := time.Now()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.Observe(now.Add(time.Duration(i)*100*time.Millisecond), took[i%len(took)], true)
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		timeout.Percentile{}.New()
	}
}
