package retry_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestBudget_AdmissionsNeverExceed(t *testing.T) {
	p := testkit.Always(t, retry.Config{
		MaxAttempts: 5, Backoff: backoff.None(), Budget: budget.TokenBucket{Cap: 10, OnSuccess: true},
	})
	var sent atomic.Int32
	var wg sync.WaitGroup
	for range 256 {
		wg.Go(func() {
			err := retry.Do(t.Context(), p, func(context.Context) error {
				sent.Add(1)
				return testkit.ErrDown
			})
			if !errors.Is(err, testkit.ErrDown) {
				t.Error("the last real error is lost:", err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 256+9, sent.Load(), "a bucket of 10 gives 9: the tenth needs more than one to be there")
}

// Meant for -race: hedges, failures, timeouts, cancellations and panics on the clock of the
// machine, all at once.
func TestHedge_UnderStress(t *testing.T) {
	ctx, l := testkit.NewParent(), testkit.NewLedger()
	p := testkit.Always(t, retry.Config{
		MaxAttempts: 5, Backoff: backoff.FullJitter(time.Microsecond, 50*time.Microsecond),
		ThrottledBackoff: backoff.None(), Hedge: timeout.Fixed(20 * time.Microsecond),
		AttemptTimeout: timeout.Fixed(200 * time.Microsecond), Budget: budget.Shared(l),
	}, retry.WithObserver(&testkit.Watcher{}))
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 100 {
				stressOnce(ctx, p)
			}
		})
	}
	wg.Wait()
	l.Settled(t)
	require.Zero(t, ctx.Registered())
}

func stressOnce(ctx context.Context, p *retry.Policy) {
	defer func() { _ = recover() }()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(2000))*time.Microsecond)
	defer cancel()
	_, _ = retry.DoValue(ctx, p, func(ctx context.Context) (int, error) {
		if err := testkit.Pause(ctx, time.Duration(rand.IntN(300))*time.Microsecond); err != nil {
			return 0, err
		}
		switch rand.IntN(10) {
		case 0:
			return 0, retry.Permanent(testkit.ErrDown)
		case 1:
			panic(testkit.ErrDown)
		case 2:
			return 1, nil
		case 3:
			return 0, retry.After(testkit.ErrDown, time.Millisecond)
		case 4:
			cancel()
			return 0, testkit.ErrDown
		}
		return 0, testkit.ErrDown
	})
}
