package budget_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
)

// drainers are all Specs that can make an empty budget.
var drainers = []budget.Spec{
	budget.Adaptive{},
	budget.Adaptive{Strict: true},
	budget.Adaptive{Unanswered: 5},
	budget.TokenBucket{},
	budget.TokenBucket{OnSuccess: true},
	budget.GRPC{},
	budget.AWS{},
	budget.AWS{Mode: budget.AWS2026},
	budget.Finagle{},
	budget.Concurrency{},
	budget.Concurrency{Interval: 60e9},
	budget.Ratio{},
	budget.ClientThrottle{},
	budget.ClientThrottle{Retries: budget.AWS{}},
}

func TestDrained_RefusesUntilSuccess(t *testing.T) {
	for _, s := range drainers {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			b := s.(budget.Drainer).NewDrained()
			now := at(0)
			for _, e := range []budget.Evidence{
				budget.None, budget.Failed, budget.Overloaded, budget.Silent, budget.Unsent,
			} {
				for range 100 {
					p := b.Begin(now)
					b.End(now, p, e)
					_, ok := b.Admit(now, budget.Retry, e, p)
					require.False(t, ok, "after a call that ended with %v", e)
					_, ok = b.Admit(now, budget.Hedge, budget.Silent, p)
					require.False(t, ok)
				}
			}
			require.Zero(t, b.(budget.Leveler).Level())
		})
	}
}

// After its first success a drained budget does what a new one does after a success.
func TestDrained_LikeNewAfterSuccess(t *testing.T) {
	for _, s := range drainers {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			retries := func(b budget.Budget) (n int) {
				now := at(0)
				b.End(now, b.Begin(now), budget.Alive)
				held := b.Begin(now)
				b.End(now, held, budget.Failed)
				for n < 1000 {
					p, ok := b.Admit(now, budget.Retry, budget.Failed, held)
					if !ok {
						return n
					}
					held = p
					n++
				}
				return n
			}
			want := retries(s.New())
			require.Positive(t, want)
			require.Equal(t, want, retries(s.(budget.Drainer).NewDrained()))
		})
	}
}

// A budget that others spend from, too, is not emptied for one that comes back.
func TestDrained_NotForSharedBudgets(t *testing.T) {
	shared := budget.Shared(budget.TokenBucket{}.New())
	_, ok := shared.(budget.Drainer)
	require.False(t, ok)
	b := budget.ClientThrottle{Retries: shared}.NewDrained()
	require.Equal(t, 1.0, b.(budget.Leveler).Level())
	_, ok = b.Admit(at(0), budget.Retry, budget.Failed, 0)
	require.True(t, ok)
	_, ok = budget.Spec(budget.Unlimited{}).(budget.Drainer)
	require.False(t, ok, "it has nothing to spend")
}
