package backoff_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
)

// Each delay is with the caller's draw, the numbers of the waits as a call has them.
func BenchmarkDelay(b *testing.B) {
	for name, s := range everyStrategy() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			prev := time.Duration(0)
			for i := 0; b.Loop(); i++ {
				prev = s.Delay(i&7+1, prev, rand.Float64())
			}
		})
	}
}

// What a delay's caller pays for the random number alone.
func BenchmarkDraw(b *testing.B) {
	for b.Loop() {
		rand.Float64()
	}
}

func BenchmarkPhase(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		backoff.Phase("web-00017.eu-west-1.compute.internal/refresh", time.Minute)
	}
}
