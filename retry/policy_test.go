package retry_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
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

func TestNew_SetsDefaults(t *testing.T) {
	p, err := retry.New(retry.Config{})
	require.NoError(t, err)
	require.Equal(t, retry.Config{
		MaxAttempts:      3,
		Backoff:          backoff.FullJitter(50*time.Millisecond, 20*time.Second),
		ThrottledBackoff: backoff.FullJitter(time.Second, 20*time.Second),
		Budget:           budget.Adaptive{},
		MaxHint:          time.Minute,
	}, p.Config())
	_, err = retry.New(p.Config())
	require.NoError(t, err, "the defaults are valid")
}

// badStrategy is a strategy from elsewhere that knows that it is wrong.
type badStrategy struct{ backoff.Strategy }

func (badStrategy) Validate() error { return errors.New("made of cheese") }

func TestNew_ReportsEveryMistake(t *testing.T) {
	_, err := retry.New(
		retry.Config{
			MaxAttempts:      -2,
			Backoff:          badStrategy{},
			ThrottledBackoff: badStrategy{},
			Budget:           budget.ClientThrottle{K: -1, Retries: budget.Adaptive{Waste: 7, Unanswered: -1}},
			AttemptTimeout:   timeout.Fixed(-time.Second),
			Hedge:            timeout.Percentile{Rate: 3},
			MaxHint:          -1,
			MaxElapsed:       -1,
			ResetAfter:       time.Second - 1,
			HintScope:        "tenant",
		},
		retry.WithClassifier(nil), retry.WithObserver(nil), retry.WithRand(nil), retry.WithMaxDestinations(0), retry.WithPermanent(nil), nil,
	)
	for _, path := range []string{
		"MaxAttempts: ", "Backoff: made of cheese", "ThrottledBackoff: made of cheese", "Budget.K: ",
		"Budget.Retries.Waste: ", "Budget.Retries.Unanswered: ", "AttemptTimeout: ", "Hedge.Rate: ", "MaxHint: ",
		"MaxElapsed: ", "ResetAfter: ", `HintScope: must be "call" or "destination", not "tenant"`,
		"WithClassifier: ", "WithObserver: ", "WithRand: ", "WithMaxDestinations: ", "WithPermanent: ", "Option: ",
	} {
		require.ErrorContains(t, err, path)
	}
	require.Equal(t, 18, 1+strings.Count(err.Error(), "\n"), "one a line:\n%v", err)
	require.NotNil(t, errors.Unwrap(err))
}

func TestNew_RefusesNilPointers(t *testing.T) {
	_, err := retry.New(retry.Config{
		Backoff: (*badStrategy)(nil), ThrottledBackoff: (*badStrategy)(nil), Budget: (*budget.Adaptive)(nil),
		AttemptTimeout: (*timeout.Percentile)(nil), Hedge: (*timeout.Percentile)(nil),
	})
	for _, path := range []string{"Backoff: ", "ThrottledBackoff: ", "Budget: ", "AttemptTimeout: ", "Hedge: "} {
		require.ErrorContains(t, err, path+"must not be a nil *")
	}
}

func TestMust(t *testing.T) {
	require.Panics(t, func() { retry.Must(retry.New(retry.Config{MaxAttempts: -3})) })
	require.NotNil(t, retry.Must(retry.New(retry.Config{})))
}

func TestNew_RefusesNilOption(t *testing.T) {
	require.NotPanics(t, func() {
		_, err := retry.New(retry.Config{MaxAttempts: -9}, nil)
		require.ErrorContains(t, err, "MaxAttempts")
	})
}

func TestFast_OnlyIfNothingNeeded(t *testing.T) {
	require.True(t, drive.Of(retry.Must(retry.New(retry.Config{}))).Fast)
	for name, cfg := range map[string]retry.Config{
		"hedge":   {Hedge: timeout.Fixed(1)},
		"timeout": {AttemptTimeout: timeout.Fixed(1)},
		"a clock": {Budget: budget.Finagle{}},
		"a gate":  {Budget: budget.ClientThrottle{}},
		"a guard": {Budget: budget.Concurrency{}},
	} {
		require.False(t, drive.Of(retry.Must(retry.New(cfg))).Fast, name)
	}
	require.False(t, drive.Of(retry.Must(retry.New(retry.Config{}, retry.WithObserver(&testkit.Watcher{})))).Fast)
	require.True(t, drive.Of(retry.Must(retry.New(retry.Config{Hedge: timeout.Fixed(1)}))).Hedges())
	require.False(t, drive.Of(retry.Must(retry.New(retry.Config{Hedge: timeout.Fixed(1), MaxAttempts: 1}))).Hedges())
}

func TestFor_OnePolicyPerDestination(t *testing.T) {
	p := testkit.Always(t, retry.Config{MaxAttempts: 2, Backoff: backoff.None(), Budget: oneRetry})
	require.Same(t, p.For("a"), p.For("a"))
	require.NotSame(t, p.For("a"), p.For("b"))
	require.Same(t, p, p.For(""))
	require.Same(t, p.For("b"), p.For("a").For("b"), "names are not nested")
	require.Same(t, p, p.For("a").For(""))
	require.Equal(t, p.Config(), p.For("a").Config())
	for range 3 {
		reason(t, p.For("a"))
	}
	require.Equal(t, retry.ReasonBudget, reason(t, p.For("a")))
	require.Equal(t, retry.ReasonMaxAttempts, reason(t, p.For("b")), "one failing host does not drain another's")
	require.Equal(t, retry.ReasonMaxAttempts, reason(t, p))
	e := testkit.Stopped(t, retry.Do(t.Context(), p.For("a"), func(context.Context) error { return testkit.ErrDown }))
	require.Equal(t, "a", e.Destination)
}

func TestFor_ConcurrentUse(t *testing.T) {
	p := testkit.Always(t, retry.Config{})
	var wg sync.WaitGroup
	got := make([][]*retry.Policy, 16)
	for g := range got {
		wg.Go(func() {
			for i := range 200 {
				got[g] = append(got[g], p.For(fmt.Sprint(i%50)))
			}
		})
	}
	wg.Wait()
	for _, g := range got {
		require.Equal(t, len(got[0]), len(g))
		for i := range g {
			require.Same(t, got[0][i], g[i])
		}
	}
}

func TestFor_DestinationsBounded(t *testing.T) {
	p := testkit.Always(t, retry.Config{MaxAttempts: 2, Backoff: backoff.None(), Budget: oneRetry}, retry.WithMaxDestinations(8))
	busy, idle := p.For("busy"), p.For("idle")
	for i := range 100 {
		p.For(fmt.Sprint("stranger ", i))
		require.Same(t, busy, p.For("busy"), "what is in use is not forgotten")
	}
	require.NotSame(t, idle, p.For("idle"), "what is not, is")
	require.Error(t, retry.Do(t.Context(), idle, func(context.Context) error { return testkit.ErrDown }), "it still works")
}

func TestFor_HundredThousandNames(t *testing.T) {
	p := testkit.Always(t, retry.Config{}, retry.WithMaxDestinations(64))
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for i := range 1000 {
		p.For(fmt.Sprint(i))
	}
	before := heap()
	for i := range 100_000 {
		p.For(fmt.Sprint("host ", i))
	}
	require.Less(t, heap(), before+1<<20, "memory grows with the names")
	require.Same(t, p.For("host 99999"), p.For("host 99999"))
	runtime.KeepAlive(p)
}

// closedGate refuses first attempts, all of them.
type closedGate struct {
	*testkit.Ledger
	us []float64
}

func (g *closedGate) Allow(_ time.Time, u float64) bool {
	g.us = append(g.us, u)
	return false
}

func TestGate_RefusesFirstAttempt(t *testing.T) {
	for name, cfg := range map[string]retry.Config{"in turn": {}, "hedged": {Hedge: timeout.Fixed(time.Second)}} {
		t.Run(name, func(t *testing.T) {
			g, w := &closedGate{Ledger: testkit.NewLedger()}, &testkit.Watcher{}
			cfg.Budget = budget.Shared(g)
			p := testkit.Always(t, cfg, retry.WithObserver(w), retry.WithRand(func() float64 { return 0.25 }))
			v, err := retry.DoValue(t.Context(), p.For("x"), func(context.Context) (int, error) { panic("sent") })
			require.Zero(t, v)
			e := testkit.Stopped(t, err)
			require.Equal(t, retry.ReasonGate, e.Reason)
			require.Zero(t, e.Attempts)
			require.Empty(t, errors.Join(e.Unwrap()...))
			require.Equal(t, "evenkeel: gate after 0 attempts", err.Error())
			require.Equal(t, []float64{0.25}, g.us)
			require.Zero(t, g.Last, "nothing began")
			require.Equal(t, []retry.Report{{Destination: "x", Reason: retry.ReasonGate, Budget: g}}, w.Reports)
			require.Empty(t, w.Attempts)

			c := drive.Of(p).Start(time.Now(), call.Options{})
			want := call.Step{Op: call.Stop, Reason: retry.ReasonGate}
			require.Equal(t, want, c.Next(time.Now()))
			require.Equal(t, want, c.Next(time.Now()))
			require.Len(t, g.us, 2, "the gate is asked once a call")
		})
	}
}

func TestGate_ClientThrottle(t *testing.T) {
	p := testkit.Always(t, retry.Config{MaxAttempts: 1, Budget: budget.ClientThrottle{}}, retry.WithRand(func() float64 { return 0.1 }))
	reasons := map[retry.Reason]int{}
	for range 50 {
		reasons[reason(t, p)]++
	}
	require.Positive(t, reasons[retry.ReasonGate])
	require.Positive(t, reasons[retry.ReasonMaxAttempts])
	require.Len(t, reasons, 2)
}

// foreign is a strategy of another library, which has its own mark for errors that no retry mends.
type foreign struct {
	backoff.Strategy
	mark error
}

func (f foreign) IsPermanent(err error) bool { return errors.Is(err, f.mark) }

func TestStrategy_MayBringClassifier(t *testing.T) {
	hopeless, lost := errors.New("hopeless"), errors.New("lost")
	w := &testkit.Watcher{}
	p := retry.Must(retry.New(retry.Config{
		Backoff: foreign{backoff.None(), hopeless}, ThrottledBackoff: foreign{backoff.None(), lost},
	}, retry.WithObserver(w)))
	for _, mark := range []error{hopeless, lost} {
		sent := 0
		err := retry.Do(t.Context(), p, func(context.Context) error { sent++; return mark })
		require.Equal(t, mark, err)
		require.Equal(t, retry.ReasonRejected, w.Reports[len(w.Reports)-1].Reason)
		require.Equal(t, 1, sent)
	}
}
