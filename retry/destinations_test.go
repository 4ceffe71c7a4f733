package retry_test

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

var errDown error = syscall.ECONNREFUSED

// attempts makes one call that fails, unless ok, and returns how often it was sent.
func attempts(p *retry.Policy, ok bool) (sent int) {
	_ = retry.Do(context.Background(), p, func(context.Context) error {
		if sent++; ok {
			return nil
		}
		return errDown
	})
	return sent
}

func TestDestinations_EveryUseCounts(t *testing.T) {
	for name, use := range map[string]func(p *retry.Policy){
		"Do that fails": func(p *retry.Policy) { attempts(p, false) },
		"Do":            func(p *retry.Policy) { attempts(p, true) },
		"DoValue": func(p *retry.Policy) {
			_, _ = retry.DoValue(context.Background(), p, func(context.Context) (int, error) { return 1, nil })
		},
		"For": func(p *retry.Policy) { p.For("db") },
	} {
		for rules, cfg := range map[string]retry.Config{
			"plain": {}, "timed": {AttemptTimeout: timeout.Fixed(1 << 40)}, "hedged": {Hedge: timeout.Fixed(1 << 40)}, "a clock": {Budget: budget.Finagle{}},
		} {
			t.Run(name+"/"+rules, func(t *testing.T) {
				cfg.Backoff = backoff.None()
				root := retry.Must(retry.New(cfg, retry.WithMaxDestinations(4)))
				db := root.For("db")
				for i := range 100 {
					use(db)
					attempts(root.For(fmt.Sprint("host", i)), true) // busy, once
				}
				require.Same(t, db, root.For("db"))
			})
		}
	}
}

// Whoever keeps what For returned, and does not use it for long, goes on with the budget that all
// others have.
func TestDestinations_KeptPolicySharesBudget(t *testing.T) {
	cfg := retry.Config{MaxAttempts: 2, Backoff: backoff.None(), Budget: budget.TokenBucket{Cap: 1.5}}
	flood := func(root *retry.Policy) {
		for i := range 100 {
			root.For(fmt.Sprint(i))
		}
	}
	t.Run("nobody else came", func(t *testing.T) {
		root := retry.Must(retry.New(cfg, retry.WithMaxDestinations(4)))
		kept := root.For("db")
		flood(root)
		attempts(kept, true)
		require.Same(t, kept, root.For("db"), "its use puts it back")
	})
	t.Run("somebody did", func(t *testing.T) {
		root := retry.Must(retry.New(cfg, retry.WithMaxDestinations(4)))
		kept := root.For("db")
		flood(root)
		next := root.For("db")
		require.NotSame(t, kept, next)
		require.Equal(t, 2, attempts(kept, false))
		require.Equal(t, 1, attempts(next, false), "one budget, not two")
		require.Equal(t, 1, attempts(kept, false))
	})
}

// An outage of more destinations than a policy keeps costs what one of fewer does.
func TestDestinations_OutageOfManyIsRemembered(t *testing.T) {
	for _, hosts := range []int{100, 128, 140, 256, 3000} {
		for name, spec := range map[string]budget.Spec{
			"default": nil, "strict": budget.Adaptive{Strict: true}, "token bucket": budget.TokenBucket{Cap: 3}, "ratio": budget.Ratio{},
			"grpc": budget.GRPC{MaxTokens: 4}, "finagle": budget.Finagle{MinPerSecond: -1}, "aws": budget.AWS{Mode: budget.AWS2026},
			"throttle": budget.ClientThrottle{K: 1000, Retries: budget.TokenBucket{Cap: 3}},
		} {
			if name == "aws" && hosts <= 128 {
				continue // 500 tokens each are there for all the rounds
			}
			t.Run(fmt.Sprintf("%s/%d", name, hosts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := retry.Must(retry.New(retry.Config{Backoff: backoff.None(), Budget: spec}, retry.WithMaxDestinations(128)))
					sent := 0
					for round := range 6 {
						for i := range hosts {
							if n := attempts(p.For(fmt.Sprint(i)), false); round > 0 {
								sent += n
							}
						}
					}
					require.LessOrEqual(t, float64(sent)/float64(5*hosts), 1.5)
				})
			})
		}
	}
}

func TestDestinations_HalfOfManyAreDown(t *testing.T) {
	p := retry.Must(retry.New(retry.Config{Backoff: backoff.None()}, retry.WithMaxDestinations(128)))
	down := 0
	for round := range 6 {
		for i := range 200 {
			if n := attempts(p.For(fmt.Sprint(i)), i%2 == 0); i%2 == 1 && round > 0 {
				down += n
			}
		}
	}
	require.LessOrEqual(t, float64(down)/500, 1.05, "attempts per call to those that are down")

	// What is up has its retries, whenever it is forgotten: the next failure is met with them.
	require.Equal(t, 3, attempts(p.For("0"), false))
	require.Equal(t, 3, attempts(p.For("a stranger"), false))
}

func TestDestinations_ReturningRetriesAfterSuccess(t *testing.T) {
	p := retry.Must(retry.New(retry.Config{Backoff: backoff.None()}, retry.WithMaxDestinations(8)))
	require.Equal(t, 3, attempts(p.For("db"), false))
	for i := range 100 {
		attempts(p.For(fmt.Sprint(i)), true)
	}
	db := p.For("db")
	for range 5 {
		require.Equal(t, 1, attempts(db, false))
	}
	require.Equal(t, 1, attempts(db, true))
	require.Equal(t, 3, attempts(db, false))
}

// A reload in the middle of an outage refills nothing, neither what the policy keeps nor what it
// forgot.
func TestDestinations_ReloadRemembersForgotten(t *testing.T) {
	for _, limit := range []int{16, 64, 256} {
		p := retry.Must(retry.New(retry.Config{Backoff: backoff.None()}, retry.WithMaxDestinations(64)))
		for i := range 100 {
			attempts(p.For(fmt.Sprint(i)), false)
		}
		p, err := p.Reload(retry.Config{Backoff: backoff.None(), MaxAttempts: 5}, retry.WithMaxDestinations(limit))
		require.NoError(t, err)
		for i := range 100 {
			require.Equal(t, 1, attempts(p.For(fmt.Sprint(i)), false), "limit %d, host %d", limit, i)
		}
		require.Equal(t, 3, attempts(p.For("a stranger"), false))
	}
}

// A budget that all share is not emptied for one that comes back, nor is one whose Spec cannot
// make an empty one.
func TestDestinations_OtherBudgetsUnchanged(t *testing.T) {
	shared := budget.TokenBucket{Cap: 100}.New()
	p := retry.Must(retry.New(
		retry.Config{Backoff: backoff.None(), Budget: budget.Shared(shared)}, retry.WithMaxDestinations(4)))
	for i := range 20 {
		require.Equal(t, 3, attempts(p.For(fmt.Sprint(i%10)), false))
	}
	p = retry.Must(retry.New(
		retry.Config{Backoff: backoff.None(), Budget: budget.Unlimited{}}, retry.WithMaxDestinations(4)))
	for i := range 50 {
		require.Equal(t, 3, attempts(p.For(fmt.Sprint(i%10)), false))
	}
}

func TestDestinations_ConcurrentForAndDo(t *testing.T) {
	p := retry.Must(retry.New(retry.Config{Backoff: backoff.None()}, retry.WithMaxDestinations(16)))
	kept := p.For("kept")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				attempts(p.For(fmt.Sprint((i*3+g)%40)), i%2 == 0)
				attempts(kept, true)
			}
		})
	}
	wg.Wait()
	require.NoError(t, retry.Do(t.Context(), kept, func(context.Context) error { return nil }))
}
