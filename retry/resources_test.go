package retry_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestDo_SuccessMakesNoAllocation(t *testing.T) {
	p, err := retry.New(retry.Config{})
	require.NoError(t, err)
	timed, err := retry.New(retry.Config{AttemptTimeout: timeout.Fixed(time.Hour)})
	require.NoError(t, err)
	live, cancel := context.WithCancel(t.Context())
	defer cancel()
	soon, cancel2 := context.WithTimeout(t.Context(), time.Minute)
	defer cancel2()
	op := func(context.Context) error { return nil }
	value := func(context.Context) (int, error) { return 1, nil }
	for name, call := range map[string]func(){
		"Do":                                func() { _ = retry.Do(context.Background(), p, op) },
		"Do, cancellable":                   func() { _ = retry.Do(live, p, op) },
		"DoValue":                           func() { _, _ = retry.DoValue(live, p, value) },
		"For":                               func() { _ = retry.Do(live, p.For("payments"), op) },
		"a timeout later than the deadline": func() { _ = retry.Do(soon, timed, op) },
	} {
		require.Zero(t, testing.AllocsPerRun(1000, call), name)
	}
}

// timeless is a ledger that says that it never looks at the time, and leaves nothing behind: the
// happy path may be straight-line.
type timeless struct{ *testkit.Ledger }

func (timeless) Timeless()  {}
func (timeless) Stateless() {}

// A driver that read the clock would pass on what it read.
func TestDo_SuccessReadsNoClock(t *testing.T) {
	for name, cfg := range map[string]retry.Config{
		"bare": {}, "timed": {AttemptTimeout: timeout.Fixed(time.Hour)},
	} {
		l := testkit.NewLedger()
		cfg.Budget = budget.Shared(timeless{l})
		p := testkit.Always(t, cfg)
		require.NoError(t, retry.Do(t.Context(), p, func(context.Context) error { return nil }))
		_, err := retry.DoValue(t.Context(), p, func(context.Context) (int, error) { return 0, nil })
		require.NoError(t, err)
		require.NotEmpty(t, l.Times)
		for _, at := range l.Times {
			require.Zero(t, at, name)
		}
		l.Settled(t)
	}
}

// footprint returns the resources that calls could leave behind.
func footprint() (heap uint64, goroutines int) {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, runtime.NumGoroutine()
}

func TestDo_ManyCallsLeaveNothing(t *testing.T) {
	parents := map[string]func() (context.Context, func() int){
		"cancel": func() (context.Context, func() int) {
			ctx, cancel := context.WithCancel(t.Context())
			t.Cleanup(cancel)
			return ctx, func() int { return 0 }
		},
		"counting": func() (context.Context, func() int) { p := testkit.NewParent(); return p, p.Registered },
	}
	calls := map[string]int{"cancel": 100_000, "counting": 10_000}
	p := testkit.Always(t, retry.Config{
		MaxAttempts: 2, Backoff: backoff.None(), Hedge: timeout.Fixed(time.Hour), AttemptTimeout: timeout.Fixed(time.Hour),
	})
	bare := testkit.Always(t, retry.Config{MaxAttempts: 2, Backoff: backoff.None(), AttemptTimeout: timeout.Fixed(time.Hour)})
	for name, make := range parents {
		t.Run(name, func(t *testing.T) {
			ctx, registered := make()
			once := func(i int) {
				op := func(ctx context.Context) (int, error) {
					if retry.AttemptNumber(ctx) == 1 && i%2 == 0 {
						return 0, testkit.ErrDown
					}
					return i, nil
				}
				var err error
				switch i % 8 {
				case 0, 1: // hedged: a goroutine for each resend
					_, err = retry.DoValue(ctx, p, op)
				default:
					_, err = retry.DoValue(ctx, bare, op)
				}
				require.NoError(t, err)
			}
			for i := range 1000 {
				once(i)
			}
			heap, goroutines := footprint()
			for i := range calls[name] {
				once(i)
			}
			heapAfter, goroutinesAfter := footprint()
			for range 600 { // a goroutine that has told its result may yet have to end
				if goroutinesAfter <= goroutines {
					break
				}
				time.Sleep(100 * time.Millisecond)
				heapAfter, goroutinesAfter = footprint()
			}
			require.Less(t, heapAfter, heap+1<<20, "heap grows with the calls")
			require.LessOrEqual(t, goroutinesAfter, goroutines)
			require.Zero(t, registered())
		})
	}
}

func TestDo_ManyAttemptsFlatMemory(t *testing.T) {
	p := testkit.Always(t, retry.Config{MaxAttempts: retry.Unlimited, Backoff: backoff.None()})
	const attempts = 200_000
	var before, after uint64
	n := 0
	err := retry.Do(t.Context(), p, func(context.Context) error {
		switch n++; n {
		case 1000:
			before, _ = footprint()
		case attempts:
			after, _ = footprint()
			return retry.Permanent(testkit.ErrDown)
		}
		return testkit.ErrDown
	})
	e := testkit.Stopped(t, err)
	require.Equal(t, attempts, e.Attempts)
	require.Len(t, e.History, 8)
	require.Less(t, after, before+1<<18)
}
