package drive_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// bomb goes off when it is touched for the at-th time. It is everything of a user's own that a
// call asks.
type bomb struct {
	mu     sync.Mutex
	n, at  int
	goexit bool
	where  string // it went off, if that is not empty
}

func (b *bomb) touch(where string) {
	b.mu.Lock()
	b.n++
	off := b.n == b.at
	if off {
		b.where = where
	}
	b.mu.Unlock()
	switch {
	case off && b.goexit:
		runtime.Goexit()
	case off:
		panic("boom")
	}
}

func (b *bomb) AttemptDone(context.Context, retry.Attempt) { b.touch("AttemptDone") }
func (b *bomb) CallDone(context.Context, retry.Report)     { b.touch("CallDone") }

func (b *bomb) Delay(int, time.Duration, float64) time.Duration { b.touch("Delay"); return 3 * ms }

// minedLimit is a bomb as a limit.
type minedLimit struct {
	*bomb
	limit time.Duration
}

func (l minedLimit) New() timeout.Limit                     { return l }
func (l minedLimit) Validate() error                        { return nil }
func (l minedLimit) Timeout() time.Duration                 { l.touch("Timeout"); return l.limit }
func (l minedLimit) Usual() time.Duration                   { l.touch("Usual"); return 0 }
func (l minedLimit) Observe(time.Time, time.Duration, bool) { l.touch("Observe") }

// minedBudget is a bomb as a budget.
type minedBudget struct {
	*testkit.Ledger
	bomb *bomb
}

func (m minedBudget) Begin(now time.Time) budget.Permit {
	m.bomb.touch("Begin")
	return m.Ledger.Begin(now)
}

func (m minedBudget) Admit(
	now time.Time, k budget.Kind, because budget.Evidence, held budget.Permit,
) (budget.Permit, bool) {
	m.bomb.touch("Admit")
	return m.Ledger.Admit(now, k, because, held)
}

func (m minedBudget) End(now time.Time, p budget.Permit, e budget.Evidence) {
	m.Ledger.End(now, p, e)
	m.bomb.touch("End")
}

type timelessBudget struct{ minedBudget }

func (timelessBudget) Timeless() {}

// minedWork makes attempts that act in turn, and remembers which of their values nobody has
// disposed of.
type minedWork struct {
	*bomb
	acts   []act
	mu     sync.Mutex
	live   int
	values map[int]bool
	keeps  bool
	kept   context.CancelFunc
}

func (w *minedWork) Send(ctx context.Context, n int, _ bool) (int, error) {
	w.count(1)
	defer w.count(-1)
	w.touch("Send")
	a := w.acts[min(n, len(w.acts))-1]
	if err := testkit.Pause(ctx, a.after); err != nil {
		return 0, err
	}
	w.mu.Lock()
	w.values[n] = true
	w.mu.Unlock()
	return n, a.err
}

func (w *minedWork) count(d int) {
	w.mu.Lock()
	w.live += d
	w.mu.Unlock()
}

func (w *minedWork) Classify(_ context.Context, _ *drive.Policy, r drive.Result[int]) call.Outcome {
	w.touch("Classify")
	switch {
	case r.Ended:
		return call.Outcome{Class: call.Timeout}
	case r.Err != nil:
		return transient
	}
	return call.Outcome{}
}

func (w *minedWork) dispose(v int) {
	w.mu.Lock()
	delete(w.values, v)
	w.mu.Unlock()
}

func (w *minedWork) Discard(v int, _ error) {
	w.dispose(v)
	w.touch("Discard")
}

func (w *minedWork) Keep(v int, cancel context.CancelFunc) int {
	if !w.keeps {
		cancel()
		return v
	}
	w.kept = cancel
	w.touch("Keep")
	return v
}

// Whatever of a user's own panics or exits, at whichever of its calls: what goes on in the caller
// is that, and nothing is left behind.
func TestHook_PanicOrGoexitLeavesNothing(t *testing.T) {
	scenes := map[string][]act{
		"first wins":     {{after: 2 * ms}},
		"second wins":    {{after: time.Hour}, {after: 2 * ms}},
		"late":           {{after: 12 * ms}, {after: time.Hour}},
		"fails once":     {{after: 2 * ms, err: testkit.ErrDown}, {after: 2 * ms}},
		"all fail":       {{after: 15 * ms, err: testkit.ErrDown}},
		"silence":        {{after: time.Hour}},
		"tie":            {{after: 10 * ms}},
		"tie of failure": {{after: 10 * ms, err: testkit.ErrDown}, {after: 10 * ms}},
	}
	for name, acts := range scenes {
		for way := range 16 {
			hedge, keep, goexit, timed := way&1 > 0, way&2 > 0, way&4 > 0, way&8 > 0
			t.Run(fmt.Sprintf("%s, hedge=%v, keep=%v, goexit=%v, timed=%v", name, hedge, keep, goexit, timed), func(t *testing.T) {
				at := 1
				for mine(t, &bomb{at: at, goexit: goexit}, acts, hedge, keep, timed) {
					at++
				}
				require.GreaterOrEqual(t, at, 5, "hooks were called")
			})
		}
	}
}

// mine makes one call with the bomb in it, checks what is left, and reports whether the bomb went
// off. timed says that somebody wants to know how long attempts take.
func mine(t *testing.T, b *bomb, acts []act, hedge, keep, timed bool) (off bool) {
	synctest.Test(t, func(t *testing.T) {
		ctx, l := testkit.NewParent(), testkit.NewLedger()
		cfg := retry.Config{
			MaxAttempts: 3, Backoff: b, Budget: budget.Shared(timelessBudget{minedBudget{l, b}}),
			AttemptTimeout: timeout.Fixed(40 * ms), Hedge: timeout.Fixed(10 * ms),
		}
		var opts []retry.Option
		if timed {
			cfg.Budget = budget.Shared(minedBudget{l, b})
			cfg.AttemptTimeout, cfg.Hedge = minedLimit{b, 40 * ms}, minedLimit{b, 10 * ms}
			opts = append(opts, retry.WithObserver(b))
		}
		if !hedge {
			cfg.Hedge = nil
		}
		work := &minedWork{bomb: b, acts: acts, values: map[int]bool{}, keeps: keep}
		p := testkit.Always(t, cfg, opts...)
		_, returned := leave(func() {
			a := drive.Run(ctx, drive.Of(p), work, drive.Options{Hedge: hedge, Opening: keep})
			work.dispose(a.Value)
			if work.kept != nil {
				work.kept()
			}
		})
		synctest.Wait()
		off = b.where != ""
		require.Equal(t, !off, returned, b.where)
		require.Empty(t, work.values, "values that nobody disposed of: %s", b.where)
		require.Zero(t, ctx.Registered(), "contexts left on the caller's: %s", b.where)
		require.Zero(t, work.live, "attempts that outlive their call: %s", b.where)
		l.Settled(t)
	}) // which returns when no goroutine is left
	return off
}
