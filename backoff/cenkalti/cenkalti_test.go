package cenkalti_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	upstream "github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/backoff/cenkalti"
	"github.com/evenkeel-go/evenkeel/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

const s = time.Second

func next(b upstream.BackOff, n int) []time.Duration {
	var all []time.Duration
	for range n {
		all = append(all, b.NextBackOff())
	}
	return all
}

func doubling() upstream.BackOff {
	return upstream.NewExponentialBackOff(
		upstream.WithInitialInterval(s), upstream.WithMultiplier(2), upstream.WithRandomizationFactor(0),
		upstream.WithMaxInterval(5*s), upstream.WithMaxElapsedTime(0))
}

func TestTo_StopsAtMaxAttemptsUntilReset(t *testing.T) {
	b := cenkalti.To(backoff.Exponential(s, time.Minute), cenkalti.MaxAttempts(4))
	for range 3 {
		require.Equal(t, []time.Duration{s, 2 * s, 4 * s, upstream.Stop, upstream.Stop}, next(b, 5))
		b.Reset()
	}
	require.Equal(t, []time.Duration{s, 2 * s}, next(b, 2))
	b.Reset()
	require.Equal(t, []time.Duration{s, 2 * s, 4 * s, upstream.Stop}, next(b, 4), "Reset in the middle")
}

func TestTo_CountsAttempts(t *testing.T) {
	for n := 1; n <= 5; n++ {
		b := cenkalti.To(backoff.None(), cenkalti.MaxAttempts(n))
		sent := 0
		err := upstream.Retry(func() error { sent++; return errors.ErrUnsupported }, b)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.Equal(t, n, sent)
	}
}

func TestTo_NeverStopsWithoutMaxAttempts(t *testing.T) {
	b := cenkalti.To(backoff.Exponential(1, s))
	for range 100_000 {
		if d := b.NextBackOff(); d <= 0 || d > s {
			t.Fatal(d)
		}
	}
}

// The strategy sees the number of the wait, the wait before and a random number, as from a policy.
func TestTo_PassesStrategyArguments(t *testing.T) {
	const base, cap = 50 * time.Millisecond, 20 * s
	for _, strategy := range []backoff.Strategy{
		backoff.FullJitter(base, cap), backoff.DecorrelatedJitter(base, cap), backoff.SmoothDecorrelated(base, cap),
	} {
		seeded := func() *rand.Rand { return rand.New(rand.NewPCG(7, 7)) }
		b, rng := cenkalti.To(strategy, cenkalti.WithRand(seeded().Float64)), seeded()
		prev := time.Duration(0)
		for wait := 1; wait <= 20; wait++ {
			prev = strategy.Delay(wait, prev, rng.Float64())
			require.Equal(t, prev, b.NextBackOff())
		}
	}
	one, two := cenkalti.To(backoff.FullJitter(s, s)), cenkalti.To(backoff.FullJitter(s, s))
	require.NotEqual(t, next(one, 5), next(two, 5), "jitter is random without WithRand")
}

func TestTo_WorksUnderTheirWrappers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		linear := cenkalti.To(backoff.Linear(s, time.Minute))
		var waited []time.Duration
		notify := func(_ error, d time.Duration) { waited = append(waited, d) }
		fails := func() error { return errors.ErrUnsupported }

		err := upstream.RetryNotify(fails, upstream.WithMaxRetries(linear, 3), notify)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.Equal(t, []time.Duration{s, 2 * s, 3 * s}, waited)

		waited = nil
		ctx, cancel := context.WithTimeout(t.Context(), 4*s)
		defer cancel()
		started := time.Now()
		err = upstream.RetryNotify(fails, upstream.WithContext(linear, ctx), notify)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, []time.Duration{s, 2 * s, 3 * s}, waited, "Retry begins with Reset")
		require.Equal(t, 4*s, time.Since(started))
	})
}

func TestFrom_WaitsAsBackOffSays(t *testing.T) {
	strategy, ok := cenkalti.From(doubling).(backoff.Stateful)
	require.True(t, ok)
	call, other := strategy.NewCall(), strategy.NewCall()
	for i, want := range []time.Duration{s, 2 * s, 4 * s, 5 * s, 5 * s} {
		require.Equal(t, want, call.Delay(i+1, 0, 0.5))
	}
	require.Equal(t, s, other.Delay(1, 0, 0.5), "each call has a BackOff of its own")
	require.Equal(t, s, call.Delay(1, 0, 0.5), "a hint resets it")
	require.Equal(t, 2*s, call.Delay(2, s, 0.5))
}

func TestFrom_Stops(t *testing.T) {
	call := cenkalti.From(func() upstream.BackOff { return upstream.WithMaxRetries(doubling(), 2) }).(backoff.Stateful).NewCall()
	require.Equal(t, s, call.Delay(1, 0, 0))
	require.Equal(t, 2*s, call.Delay(2, s, 0))
	require.Negative(t, call.Delay(3, 2*s, 0))
	require.Negative(t, call.Delay(4, 2*s, 0))

	broken := cenkalti.From(func() upstream.BackOff { return upstream.NewConstantBackOff(math.MinInt64) })
	require.Negative(t, broken.(backoff.Stateful).NewCall().Delay(1, 0, 0))
}

// An ExponentialBackOff that was not made by its constructor works only once it is Reset.
func TestFrom_ResetsFirst(t *testing.T) {
	call := cenkalti.From(func() upstream.BackOff {
		return &upstream.ExponentialBackOff{InitialInterval: s, Multiplier: 3, MaxInterval: time.Minute, Clock: upstream.SystemClock}
	}).(backoff.Stateful).NewCall()
	require.Equal(t, s, call.Delay(1, 0, 0))
	require.Equal(t, 3*s, call.Delay(2, 0, 0))
}

func TestFrom_WithoutCall(t *testing.T) {
	strategy := cenkalti.From(func() upstream.BackOff { return upstream.WithMaxRetries(doubling(), 3) })
	require.Equal(t, s, strategy.Delay(-1, 0, 0))
	require.Equal(t, s, strategy.Delay(1, 0, 0))
	require.Equal(t, 4*s, strategy.Delay(3, 0, 0))
	require.Equal(t, s, strategy.Delay(1, 0, 0), "nothing is kept")
	require.Equal(t, time.Duration(math.MaxInt64), strategy.Delay(4, 0, 0), "Stop is no negative delay here")
	require.Equal(t, 5*s, cenkalti.From(doubling).Delay(math.MaxInt, 0, 0))
}

func TestToFrom_RoundTrip(t *testing.T) {
	b := cenkalti.To(cenkalti.From(func() upstream.BackOff { return upstream.WithMaxRetries(doubling(), 3) }))
	for range 2 {
		require.Equal(t, []time.Duration{s, 2 * s, 4 * s, upstream.Stop, upstream.Stop}, next(b, 5))
		b.Reset()
	}
}

func TestIsPermanent(t *testing.T) {
	err := upstream.Permanent(errors.ErrUnsupported)
	require.True(t, cenkalti.IsPermanent(err))
	require.True(t, cenkalti.IsPermanent(fmt.Errorf("reading: %w", err)))
	require.True(t, cenkalti.IsPermanent(errors.Join(errors.ErrUnsupported, err)))
	require.False(t, cenkalti.IsPermanent(errors.ErrUnsupported))
	require.False(t, cenkalti.IsPermanent(nil))
	require.False(t, cenkalti.IsPermanent(upstream.Permanent(nil)))
}

func TestConstructors_PanicOnInvalidArguments(t *testing.T) {
	for want, build := range map[string]func(){
		"cenkalti.From: newBackOff: must be a function, not nil":    func() { cenkalti.From(nil) },
		"cenkalti.From: newBackOff: must return a BackOff, not nil": func() { cenkalti.From(func() upstream.BackOff { return nil }) },
		"cenkalti.To: s: must be a strategy, not nil":               func() { cenkalti.To(nil) },
		"cenkalti.MaxAttempts: n: must be at least 1, not 0":        func() { cenkalti.MaxAttempts(0) },
		"cenkalti.WithRand: random: must be a function, not nil":    func() { cenkalti.WithRand(nil) },
	} {
		require.PanicsWithValue(t, want, build)
	}
}
