package retry_test

import (
	"context"
	"testing"
	"time"

	cenkalti "github.com/cenkalti/backoff/v4"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func BenchmarkDo(b *testing.B) {
	benchmarkSuccess(b)
	benchmarkTimeout(b)
	benchmarkFailure(b)
}

func benchmarkSuccess(b *testing.B) {
	ctx := context.Background()
	live, cancel := context.WithCancel(ctx)
	defer cancel()
	p := retry.Must(retry.New(retry.Config{}))
	ok := func(context.Context) error { return nil }
	okValue := func(context.Context) (int, error) { return 1, nil }
	b.Run("ok", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = retry.Do(ctx, p, ok)
		}
	})
	b.Run("ok-cancelctx", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = retry.Do(live, p, ok)
		}
	})
	b.Run("ok-value", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = retry.DoValue(ctx, p, okValue)
		}
	})
	b.Run("ok-for", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = retry.Do(ctx, p.For("payments"), ok)
		}
	})
	hedged := retry.Must(retry.New(retry.Config{Hedge: timeout.Fixed(time.Second)}))
	b.Run("hedge-none-needed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = retry.DoValue(ctx, hedged, okValue)
		}
	})
}

func benchmarkTimeout(b *testing.B) {
	ctx := context.Background()
	ok := func(context.Context) error { return nil }
	timed := retry.Must(retry.New(retry.Config{AttemptTimeout: timeout.Fixed(time.Minute)}))
	b.Run("timeout", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = retry.Do(ctx, timed, ok)
		}
	})
	b.Run("bare-timeout", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c, cancel := context.WithTimeout(ctx, time.Minute)
			_ = ok(c)
			cancel()
		}
	})
	soon, cancel2 := context.WithTimeout(ctx, 30*time.Second)
	defer cancel2()
	b.Run("timeout-skipped", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = retry.Do(soon, timed, ok)
		}
	})
}

func benchmarkFailure(b *testing.B) {
	ctx := context.Background()
	ok := func(context.Context) error { return nil }
	now := retry.Must(retry.New(retry.Config{Backoff: backoff.Constant(0)}))
	failOnce := func() func(context.Context) error {
		n := 0
		return func(context.Context) error {
			if n++; n%2 == 1 {
				return testkit.ErrDown
			}
			return nil
		}
	}
	b.Run("one-fail", func(b *testing.B) {
		b.ReportAllocs()
		op := failOnce()
		for b.Loop() {
			if retry.Do(ctx, now, op) != nil {
				// The default budget allows one retry for ten successes: earn them.
				for range 10 {
					_ = retry.Do(ctx, now, ok)
				}
			}
		}
	})
	free := retry.Must(retry.New(retry.Config{Backoff: backoff.Constant(0), Budget: budget.Unlimited{}}))
	b.Run("one-fail-unlimited", func(b *testing.B) {
		b.ReportAllocs()
		op := failOnce()
		for b.Loop() {
			_ = retry.Do(ctx, free, op)
		}
	})
	b.Run("one-fail-cenkalti", func(b *testing.B) {
		b.ReportAllocs()
		op := failOnce()
		for b.Loop() {
			_ = cenkalti.Retry(func() error { return op(ctx) }, cenkalti.WithContext(cenkalti.WithMaxRetries(&cenkalti.ZeroBackOff{}, 2), ctx))
		}
	})
}
