package budget_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
)

// together runs f on 256 goroutines that start as one.
func together(f func(rng *rand.Rand)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for g := range uint64(256) {
		wg.Go(func() {
			<-start
			f(rand.New(rand.NewPCG(g, 7)))
		})
	}
	close(start)
	wg.Wait()
}

func TestBudgets_AllFailAtOnce(t *testing.T) {
	for _, c := range []struct {
		spec     budget.Spec
		attempts int
		want     int64 // retries and hedges, exactly
	}{
		{budget.TokenBucket{OnSuccess: true}, 3, 4},
		{budget.AWS{}, 3, 100},
		{budget.AWS{Mode: budget.AWS2026}, 3, 35},
	} {
		t.Run(fmt.Sprintf("%#v", c.spec), func(t *testing.T) {
			for range 20 {
				b := full(c.spec)
				var admitted atomic.Int64
				together(func(rng *rand.Rand) {
					for range 10 {
						p := b.Begin(at(1))
						for range c.attempts - 1 {
							kind := budget.Retry
							if rng.IntN(4) == 0 {
								kind = budget.Hedge
							} else {
								b.End(at(1), p, failed)
							}
							var ok bool
							if p, ok = b.Admit(at(1), kind, failed, p); !ok {
								break
							}
							admitted.Add(1)
						}
					}
				})
				require.Equal(t, c.want, admitted.Load())
			}
		})
	}
}

// What is spent was there at the start or earned since, whatever the goroutines do.
func TestBudgets_SpendOnlyWhatWasEarned(t *testing.T) {
	for _, c := range []struct {
		spec               budget.Spec
		size, earn, refund float64 // in retries: of a full budget, of a success, of a retry's success
	}{
		{budget.TokenBucket{OnSuccess: true}, 5, 0.1, 0},
		{budget.AWS{}, 100, 0.2, 1},
		{budget.AWS{Mode: budget.AWS2026}, 500. / 14, 1. / 14, 1},
	} {
		t.Run(fmt.Sprintf("%#v", c.spec), func(t *testing.T) {
			b := full(c.spec)
			var spent, earned, refunded atomic.Int64
			together(func(rng *rand.Rand) {
				for range 1000 {
					p, paid := b.Begin(at(1)), false
					for range 3 {
						switch n := rng.IntN(10); {
						case n < 5:
							b.End(at(1), p, alive)
							earned.Add(1)
							if paid {
								refunded.Add(1)
							}
						case n == 5 && paid:
							b.End(at(1), p, unsent)
							spent.Add(-1)
						default:
							b.End(at(1), p, failed)
							var ok bool
							if p, ok = b.Admit(at(1), budget.Retry, failed, p); ok {
								spent.Add(1)
								paid = true
								continue
							}
						}
						break
					}
				}
			})
			require.Positive(t, spent.Load())
			require.LessOrEqual(t, float64(spent.Load()),
				c.size+c.earn*float64(earned.Load())+c.refund*float64(refunded.Load())+1e-9)
		})
	}
}

func TestBudgets_ReturnedPermitsAreKept(t *testing.T) {
	for _, s := range []budget.Spec{budget.TokenBucket{}, budget.AWS{}} {
		b := s.New()
		before := b.(budget.Leveler).Level()
		together(func(*rand.Rand) {
			for range 3000 {
				if p, ok := b.Admit(at(0), budget.Retry, failed, 0); ok {
					b.End(at(0), p, unsent)
				}
			}
		})
		require.Equal(t, before, b.(budget.Leveler).Level(), "%#v", s)
	}
}

// Envoy's rule, seen from outside: what is in flight at any time.
func TestConcurrency_InFlightNeverExceedsLimit(t *testing.T) {
	b := budget.Concurrency{Min: 5}.New()
	var retries atomic.Int64
	together(func(*rand.Rand) { // nobody begins, so that only the minimum is allowed
		for range 1000 {
			if p, ok := b.Admit(at(0), budget.Retry, failed, 0); ok {
				if n := retries.Add(1); n > 5 {
					t.Errorf("%d retries in flight", n)
				}
				retries.Add(-1)
				b.End(at(0), p, alive)
			}
		}
	})
	require.Equal(t, 1., b.(budget.Leveler).Level(), "all is given back")
}

func TestBudgets_ConcurrentUse(t *testing.T) {
	for _, s := range benched {
		t.Run(s.name, func(t *testing.T) {
			b := s.spec.New()
			var clock atomic.Int64
			together(func(rng *rand.Rand) {
				for range 200 {
					now := at(float64(clock.Add(1)) / 1000)
					if g, ok := b.(budget.Gate); ok && !g.Allow(now, rng.Float64()) {
						continue
					}
					p := b.Begin(now)
					e := budget.Evidence(rng.IntN(8))
					b.End(now, p, e)
					if p, ok := b.Admit(now, budget.Retry, e, p); ok {
						b.End(now, p, budget.Evidence(rng.IntN(8)))
					}
					if l := b.(budget.Leveler).Level(); !(l >= 0 && l <= 1) {
						t.Errorf("level %v", l)
					}
				}
			})
		})
	}
}

// An outage met by 256 goroutines at once, some of whose calls wait.
func TestAdaptive_AllFailAtOnce(t *testing.T) {
	for _, strict := range []bool{false, true} {
		for range 20 {
			b := full(budget.Adaptive{Strict: strict})
			var admitted, last atomic.Int64
			together(func(*rand.Rand) {
				for range 10 {
					p := b.Begin(time.Time{})
					b.End(at(1), p, failed)
					for range 2 {
						answer := budget.Later
						for answer == budget.Later {
							p, answer = ask(b, 1, failed, p)
							runtime.Gosched()
						}
						if answer == budget.Refused {
							break
						}
						admitted.Add(1)
						b.End(at(1), p, failed)
						last.Add(1)
					}
				}
			})
			require.GreaterOrEqual(t, admitted.Load(), int64(1))
			require.LessOrEqual(t, admitted.Load(), int64(3))
		}
	}
}

// What 256 goroutines do of everything leaves a budget that works.
func TestAdaptive_WorksAfterConcurrentUse(t *testing.T) {
	b := budget.Adaptive{}.New()
	var clock atomic.Int64
	together(func(rng *rand.Rand) {
		for range 300 {
			now := at(float64(clock.Add(int64(rng.IntN(40)-15))) / 100) // it also steps back
			p := b.Begin(time.Time{})
			e := budget.Evidence(rng.IntN(8))
			b.End(now, p, e)
			q, answer := b.(budget.Queue).Ask(now, budget.Kind(1+rng.IntN(2)), e, p)
			if answer == budget.Refused || rng.IntN(50) == 0 { // some are never ended
				continue
			}
			b.End(now, q, budget.Evidence(rng.IntN(8)))
			b.(budget.Queue).Hopeless(now, e, p)
			if l := level(b); !(l >= 0 && l <= 1) {
				t.Errorf("level %v", l)
			}
		}
	})
	for i := range 20 {
		succeed(b, 1e5+float64(i), 1000)
		call(b, 1e5+float64(i), failed, alive)
	}
	require.Equal(t, 3, call(b, 1e6, failed, failed, alive))
	succeed(b, 1e6, row)
	require.Greater(t, level(b), 0.9)
}
