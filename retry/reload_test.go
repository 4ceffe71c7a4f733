package retry_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// oneRetry is a budget of one retry and no more, until the policy gets a new one.
var oneRetry = budget.TokenBucket{Ratio: 0.000001, Cap: 1.5}

// reason returns the reason why a call to the destination that always fails stops.
func reason(t *testing.T, p *retry.Policy) retry.Reason {
	t.Helper()
	err := retry.Do(t.Context(), p, func(context.Context) error { return testkit.ErrDown })
	if err == testkit.ErrDown {
		return retry.ReasonMaxAttempts
	}
	return testkit.Stopped(t, err).Reason
}

func TestReload_KeepsUnchanged(t *testing.T) {
	cfg := retry.Config{MaxAttempts: 2, Backoff: backoff.None(), Budget: oneRetry}
	names := []string{"", "payments", "stock"}
	drained := func(t *testing.T) *retry.Policy {
		p, err := retry.New(cfg, testkit.Known())
		require.NoError(t, err)
		for _, name := range names {
			require.Equal(t, retry.ReasonMaxAttempts, reason(t, p.For(name)))
			require.Equal(t, retry.ReasonBudget, reason(t, p.For(name)))
		}
		return p
	}
	t.Run("the same budget", func(t *testing.T) {
		p := drained(t)
		next := cfg
		next.MaxHint = time.Hour
		for range 3 { // and again
			next.MaxAttempts++
			q, err := p.Reload(next)
			require.NoError(t, err)
			require.Equal(t, next.MaxAttempts, q.Config().MaxAttempts)
			for _, name := range names {
				require.Equal(t, retry.ReasonBudget, reason(t, q.For(name)), "the reload refilled %q", name)
			}
			p = q
		}
	})
	t.Run("another budget", func(t *testing.T) {
		p := drained(t)
		next := cfg
		next.Budget = budget.Unlimited{}
		q, err := p.Reload(next)
		require.NoError(t, err)
		for _, name := range names {
			require.Equal(t, retry.ReasonMaxAttempts, reason(t, q.For(name)))
			require.Equal(t, retry.ReasonBudget, reason(t, p.For(name)), "the old policy is as it was")
		}
	})
	t.Run("a bad one", func(t *testing.T) {
		p := drained(t)
		_, err := p.Reload(retry.Config{MaxAttempts: -7})
		require.ErrorContains(t, err, "MaxAttempts")
		require.Equal(t, retry.ReasonBudget, reason(t, p.For("stock")))
	})
}

// counted is a limit that counts how often it is made.
type counted struct {
	made *atomic.Int32
	d    time.Duration
}

func (c counted) Validate() error { return nil }
func (c counted) New() timeout.Limit {
	c.made.Add(1)
	return timeout.Fixed(c.d)
}

func TestReload_KeepsLimitsOfUnchangedSpec(t *testing.T) {
	var attempts, hedges atomic.Int32
	cfg := retry.Config{
		AttemptTimeout: counted{&attempts, time.Second}, Hedge: counted{&hedges, time.Second},
	}
	p, err := retry.New(cfg, testkit.Known())
	require.NoError(t, err)
	p.For("a")
	p.For("b")
	require.EqualValues(t, 3, attempts.Load())
	cfg.Hedge = counted{&hedges, 2 * time.Second}
	q, err := p.Reload(cfg)
	require.NoError(t, err)
	q.For("a")
	q.For("b")
	require.EqualValues(t, 3, attempts.Load(), "an attempt timeout that did not change is kept, a destination each")
	require.EqualValues(t, 6, hedges.Load(), "a hedge delay that changed is made anew")
	cfg.AttemptTimeout = nil
	q, err = q.Reload(cfg)
	require.NoError(t, err)
	require.Nil(t, q.Config().AttemptTimeout)
	require.EqualValues(t, 3, attempts.Load())
}

// incomparable is a Spec that == would panic on.
type incomparable struct{ budgets []budget.Budget }

func (s incomparable) Validate() error    { return nil }
func (s incomparable) New() budget.Budget { return s.budgets[0] }

func TestReload_UncomparableSpec(t *testing.T) {
	one := oneRetry.New()
	cfg := retry.Config{MaxAttempts: 2, Backoff: backoff.None(), Budget: incomparable{[]budget.Budget{one}}}
	p, err := retry.New(cfg, testkit.Known())
	require.NoError(t, err)
	require.Equal(t, retry.ReasonMaxAttempts, reason(t, p))
	q, err := p.Reload(cfg)
	require.NoError(t, err)
	require.Equal(t, retry.ReasonBudget, reason(t, q))
}

func TestReload_DuringCalls(t *testing.T) {
	var current atomic.Pointer[retry.Policy]
	cfg := retry.Config{MaxAttempts: 2, Backoff: backoff.None(), Budget: budget.Adaptive{}, Hedge: timeout.Percentile{}}
	p, err := retry.New(cfg, testkit.Known())
	require.NoError(t, err)
	current.Store(p)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				_, err := retry.DoValue(t.Context(), current.Load().For(fmt.Sprint(i%5)), func(context.Context) (int, error) {
					if (i+g)%3 == 0 {
						return 0, testkit.ErrDown
					}
					return i, nil
				})
				if err != nil {
					require.ErrorIs(t, err, testkit.ErrDown)
				}
			}
		})
	}
	for i := range 50 {
		cfg.MaxAttempts = 1 + i%4
		if i%10 == 0 {
			cfg.Hedge = timeout.Fixed(time.Duration(i+1) * time.Second)
		}
		q, err := current.Load().Reload(cfg)
		require.NoError(t, err)
		current.Store(q)
	}
	wg.Wait()
}

func TestReload_ToAnotherSharedBudget(t *testing.T) {
	one, two := budget.Adaptive{}.New(), budget.Adaptive{}.New()
	p := testkit.Always(t, retry.Config{Budget: budget.Shared(one), Backoff: backoff.None()})
	q, err := p.Reload(retry.Config{Budget: budget.Shared(two), Backoff: backoff.None()})
	require.NoError(t, err)
	for {
		if _, ok := two.Admit(time.Now(), budget.Retry, budget.Failed, 0); !ok {
			break
		}
	}
	err = retry.Do(t.Context(), q, func(context.Context) error { return testkit.ErrDown })
	require.Equal(t, retry.ReasonBudget, testkit.Stopped(t, err).Reason, "it spent from the budget of before")
}

// Run with -race: the comparison of two Specs must not look into live budgets.
func TestReload_DoesNotReadSharedBudgets(t *testing.T) {
	one, two := budget.Adaptive{}.New(), budget.Adaptive{}.New()
	p := testkit.Always(t, retry.Config{Budget: budget.Shared(one)})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 1000 {
			one.Admit(time.Now(), budget.Retry, budget.Failed, 0)
			one.End(time.Now(), 0, budget.Alive)
		}
	}()
	for range 100 {
		_, err := p.Reload(retry.Config{Budget: budget.Shared(two)})
		require.NoError(t, err)
	}
	<-done
}

func TestReload_KeepsBusyDestinationThroughChurn(t *testing.T) {
	for _, name := range []string{"hot", ""} {
		t.Run("destination "+name, func(t *testing.T) {
			cfg := retry.Config{Backoff: backoff.None(), Budget: budget.AWS{}}
			p, err := retry.New(cfg, testkit.Known(), retry.WithMaxDestinations(4))
			require.NoError(t, err)
			fail := func(p *retry.Policy) retry.Reason {
				err := retry.Do(t.Context(), p.For(name), func(context.Context) error { return testkit.ErrDown })
				return testkit.Stopped(t, err).Reason
			}
			for fail(p) != retry.ReasonBudget {
			}
			for i := range 20 {
				p.For(fmt.Sprint("stranger ", i))
				require.Equal(t, retry.ReasonBudget, fail(p), "it is in use, and not forgotten")
			}
			q, err := p.Reload(cfg, retry.WithMaxDestinations(4))
			require.NoError(t, err)
			require.Equal(t, retry.ReasonBudget, fail(q), "the reload refilled its budget")
		})
	}
}

func TestReload_ForgottenDestinationKeepsBudget(t *testing.T) {
	cfg := retry.Config{MaxAttempts: 2, Backoff: backoff.None(), Budget: oneRetry}
	p, err := retry.New(cfg, testkit.Known(), retry.WithMaxDestinations(2))
	require.NoError(t, err)
	payments := p.For("payments") // kept, and For never asked again
	require.Equal(t, retry.ReasonMaxAttempts, reason(t, payments))
	for i := range 10 {
		p.For(fmt.Sprint("stranger ", i))
	}
	require.Equal(t, retry.ReasonBudget, reason(t, payments))
	next, err := payments.Reload(cfg)
	require.NoError(t, err)
	require.Equal(t, retry.ReasonBudget, reason(t, next), "the reload refilled its budget")
	require.Same(t, next, next.For("payments"))
}

func TestReload_KeepsDestination(t *testing.T) {
	p := testkit.Always(t, retry.Config{})
	q, err := p.For("x").Reload(retry.Config{})
	require.NoError(t, err)
	require.Same(t, q.For("x"), q)
}

func TestReload_KeepsOtherOptions(t *testing.T) {
	one, two, three := &testkit.Watcher{}, &testkit.Watcher{}, &testkit.Watcher{}
	classified := 0
	p := testkit.Always(t, retry.Config{}, retry.WithObserver(one), retry.WithObserver(two), retry.WithMaxDestinations(1),
		retry.WithRand(func() float64 { return 0.5 }),
		retry.WithClassifier(func(error) retry.Outcome { classified++; return retry.Outcome{Class: retry.Rejected} }))
	fail := func(p *retry.Policy) {
		_ = retry.Do(t.Context(), p, func(context.Context) error { return testkit.ErrDown })
	}

	q, err := p.Reload(retry.Config{MaxAttempts: 2})
	require.NoError(t, err)
	fail(q)
	require.Equal(t, 1, classified)
	require.Len(t, one.Reports, 1)
	require.Len(t, two.Reports, 1)
	a := q.For("a")
	q.For("b")
	require.NotSame(t, a, q.For("a"), "the bound holds on")
	now := time.Unix(0, 0)
	c := drive.Of(q).Start(now, call.Options{})
	c.Next(now)
	c.Done(now, 1, transient)
	require.Equal(t, 25*time.Millisecond, c.Next(now).At.Sub(now), "the source of jitter, too")

	q, err = q.Reload(retry.Config{}, retry.WithObserver(three))
	require.NoError(t, err)
	fail(q)
	require.Len(t, three.Reports, 1)
	require.Len(t, one.Reports, 1, "an observer that is given takes the place of the old ones")
	fail(p)
	require.Len(t, one.Reports, 2, "and the old policy is as it was")
}
