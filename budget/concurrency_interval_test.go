package budget_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
)

func TestConcurrency_Interval(t *testing.T) {
	spec := budget.Concurrency{Interval: time.Second}
	admitted := func(b budget.Budget, now time.Time) (permits []budget.Permit) {
		for {
			p, ok := b.Admit(now, budget.Retry, failed, 0)
			if !ok {
				return permits
			}
			permits = append(permits, p)
		}
	}
	t.Run("the ratio is of the attempts of the interval", func(t *testing.T) {
		b := spec.New()
		now := at(0)
		for range 100 {
			b.End(now, b.Begin(now), alive) // none is in flight any more
		}
		require.Len(t, admitted(b, now), 25, "a fifth of 100 first attempts and 25 retries")
		plain := budget.Concurrency{}.New()
		for range 100 {
			plain.End(now, plain.Begin(now), alive)
		}
		require.Len(t, admitted(plain, now), 3, "without an interval only the least")
	})
	t.Run("attempts are forgotten after the interval", func(t *testing.T) {
		b := spec.New()
		for range 100 {
			b.Begin(at(0))
		}
		require.Len(t, admitted(b, at(0).Add(1100*time.Millisecond)), 3)
	})
	t.Run("retries count while they are in flight", func(t *testing.T) {
		b := spec.New()
		now := at(0)
		permits := admitted(b, now)
		require.Len(t, permits, 3)
		b.End(now, permits[0], failed)
		require.Len(t, admitted(b, now), 1, "its place is free")
		later := now.Add(time.Minute)
		require.Empty(t, admitted(b, later), "three are still in flight")
	})
	t.Run("what was not sent is given back", func(t *testing.T) {
		b := budget.Concurrency{Interval: time.Second, Min: -1, Ratio: 0.5}.New()
		now := at(0)
		b.Begin(now)
		b.Begin(now)
		for range 1000 {
			p, ok := b.Admit(now, budget.Retry, failed, 0)
			require.True(t, ok)
			b.End(now, p, budget.Unsent)
		}
		require.Equal(t, 1., b.(budget.Leveler).Level())
		require.Len(t, admitted(b, now), 2, "2 of 2+2 attempts")
	})
}
