package backoff_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
)

func BenchmarkFullJitter(b *testing.B) {
	s := backoff.FullJitter(50*time.Millisecond, 20*time.Second)
	for i := 0; b.Loop(); i++ {
		s.Delay(i&7, 0, rand.Float64())
	}
}
