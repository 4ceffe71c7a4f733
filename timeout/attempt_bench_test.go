package timeout_test

import (
	"context"
	"testing"
	"time"

	"github.com/evenkeel-go/evenkeel/timeout"
)

func BenchmarkAttempt(b *testing.B) {
	type start func(context.Context, time.Duration) (context.Context, context.CancelFunc)
	run := func(name string, ctx context.Context, d time.Duration, f start) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, cancel := f(ctx, d)
				cancel()
			}
		})
	}
	hour, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	never := context.Background()
	run("none", never, 0, timeout.Attempt)
	run("skipped", hour, 2*time.Hour, timeout.Attempt)
	run("never/WithTimeout", never, time.Minute, context.WithTimeout)
	run("never/Attempt", never, time.Minute, timeout.Attempt)
	run("hour/WithTimeout", hour, time.Minute, context.WithTimeout)
	run("hour/Attempt", hour, time.Minute, timeout.Attempt)
}
