package budget_test

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
)

// published are the budgets of others, whose rules say nothing of a clock that is set.
var published = []budget.Spec{
	budget.TokenBucket{},
	budget.GRPC{},
	budget.AWS{},
	budget.AWS{Mode: budget.AWS2026},
	budget.Concurrency{},
	budget.Concurrency{Interval: time.Minute},
	budget.Finagle{},
	budget.Finagle{MinPerSecond: -1},
	budget.Finagle{TTL: time.Minute},
	budget.Ratio{},
	budget.Ratio{Window: time.Second},
	budget.ClientThrottle{Retries: budget.Finagle{}},
	budget.ClientThrottle{Window: time.Hour, Retries: budget.Ratio{}},
}

// failing makes calls that fail, and counts the retries that are admitted: all of which fail, too.
func failing(b budget.Budget, now time.Time, calls int) (retries int) {
	for range calls {
		held := b.Begin(now)
		b.End(now, held, budget.Failed)
		for range 100 {
			p, ok := b.Admit(now, budget.Retry, budget.Failed, held)
			if !ok {
				break
			}
			b.End(now, p, budget.Failed)
			held = p
			retries++
		}
	}
	return retries
}

func TestClock_StepAdmitsNothing(t *testing.T) {
	for name, steps := range map[string][]time.Duration{
		"back by 75 s, again and again":     {-75 * time.Second},
		"back by hours, again and again":    {-5 * time.Hour},
		"back and forward again":            {-75 * time.Second, 75 * time.Second},
		"back and forward by hours":         {-3 * time.Hour, 3 * time.Hour},
		"back, and forward in two":          {-10 * time.Minute, 4 * time.Minute, 6 * time.Minute},
		"back in two, and forward":          {-4 * time.Minute, -6 * time.Minute, 10 * time.Minute},
		"back by seconds and forward":       {-5 * time.Second, 5 * time.Second},
		"a little back, and forward":        {-300 * time.Millisecond, 300 * time.Millisecond},
		"a little back, again and again":    {-900 * time.Millisecond},
		"as far back as there are numbers":  {math.MinInt64},
		"back by a day, forward by an hour": {-24 * time.Hour, time.Hour, 23 * time.Hour},
	} {
		for _, s := range published {
			t.Run(fmt.Sprintf("%s/%T%+v", name, s, s), func(t *testing.T) {
				set, steady := s.New(), s.New()
				start := time.Unix(1_700_000_000, 0)
				require.Equal(t, failing(steady, start, 50), failing(set, start, 50))
				now := start
				more, want := 0, 0
				for i := range 60 {
					now = now.Add(steps[i%len(steps)])
					more += failing(set, now, 3)
					want += failing(steady, start, 3)
				}
				require.LessOrEqual(t, more, want, "retries of one whose clock stands")
			})
		}
	}
}

// One jump forward is time that has passed, as far as anybody can tell. But when the clock is set
// right again the budget goes on, and does not wait for the time that it saw.
func TestClock_JumpForwardLocksNothing(t *testing.T) {
	for _, s := range published {
		for _, every := range []time.Duration{50 * time.Millisecond, 400 * time.Millisecond, 7 * time.Second} {
			t.Run(fmt.Sprintf("%T%+v each %v", s, s, every), func(t *testing.T) {
				set, steady := s.New(), s.New()
				now := time.Unix(1_700_000_000, 0)
				failing(set, now.Add(10*time.Hour), 20)
				got, want := 0, 0
				calls := 3*int(2*time.Minute/every) + 100
				for i := range calls {
					now = now.Add(every)
					g, w := failing(set, now, 1), failing(steady, now, 1)
					if i > calls*2/3 { // what was before has left every window
						got, want = got+g, want+w
					}
				}
				require.InDelta(t, want, got, 2+0.05*float64(want))
			})
		}
	}
}

// A budget that is Timeless decides the same whatever times it is given.
func TestClock_TimelessBudgetsIgnoreIt(t *testing.T) {
	wild := []time.Time{{}, time.Unix(math.MaxInt32, 0), time.Unix(0, 0), time.Now(), time.Unix(-1e9, 1)}
	for _, s := range published {
		if _, ok := s.New().(budget.Timeless); !ok {
			continue
		}
		a, b := s.New(), s.New()
		for i := range 500 {
			now := wild[i%len(wild)]
			require.Equal(t, failing(a, time.Time{}, 1), failing(b, now, 1), "%T%+v", s, s)
			if i%3 == 0 {
				a.End(time.Time{}, a.Begin(time.Time{}), budget.Alive)
				b.End(now, b.Begin(now), budget.Alive)
			}
		}
	}
}

// A level is told no time, and all the same what it says holds of a client that was idle.
func TestLevel_WindowRecoversWithTime(t *testing.T) {
	for _, s := range []budget.Spec{
		budget.Finagle{MinPerSecond: 1},
		budget.Finagle{TTL: time.Minute},
		budget.ClientThrottle{Retries: budget.Finagle{}},
		budget.Ratio{Window: time.Second},
	} {
		t.Run(fmt.Sprintf("%T%+v", s, s), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := s.New()
				failing(b, time.Now(), 100)
				require.Less(t, b.(budget.Leveler).Level(), 0.1)
				for _, idle := range []time.Duration{0, time.Second, 3 * time.Second, time.Minute, time.Hour} {
					time.Sleep(idle)
					level := b.(budget.Leveler).Level()
					_, ok := b.Admit(time.Now(), budget.Retry, budget.Failed, 0)
					require.Equal(t, ok, level > 0, "after %v more: level %v", idle, level)
				}
			})
		})
	}
}
