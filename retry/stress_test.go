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
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestAdmissionsNeverExceedTheBudgetByOne(t *testing.T) {
	p := always(t, retry.Config{
		MaxAttempts: 5, Backoff: backoff.None(), Budget: budget.TokenBucket{Cap: 10, OnSuccess: true},
	})
	var sent atomic.Int32
	var wg sync.WaitGroup
	for range 256 {
		wg.Go(func() {
			err := retry.Do(t.Context(), p, func(context.Context) error {
				sent.Add(1)
				return errDown
			})
			if !errors.Is(err, errDown) {
				t.Error("the last real error is lost:", err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 256+9, sent.Load(), "a bucket of 10 gives 9: the tenth needs more than one to be there")
}

// Meant for -race: hedges, failures, timeouts, cancellations and panics on the clock of the machine, all at once.
func TestHedgedCallsUnderStress(t *testing.T) {
	ctx, l := newParent(), newLedger()
	p := always(t, retry.Config{
		MaxAttempts: 5, Backoff: backoff.FullJitter(time.Microsecond, 50*time.Microsecond),
		ThrottledBackoff: backoff.None(), Hedge: timeout.Fixed(20 * time.Microsecond),
		AttemptTimeout: timeout.Fixed(200 * time.Microsecond), Budget: budget.Shared(l),
	}, retry.WithObserver(&watcher{}))
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 100 {
				stressOnce(ctx, p)
			}
		})
	}
	wg.Wait()
	l.settled(t)
	require.Zero(t, ctx.registered())
}

func stressOnce(ctx context.Context, p *retry.Policy) {
	defer func() { _ = recover() }()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(2000))*time.Microsecond)
	defer cancel()
	_, _ = retry.DoValue(ctx, p, func(ctx context.Context) (int, error) {
		if err := pause(ctx, time.Duration(rand.IntN(300))*time.Microsecond); err != nil {
			return 0, err
		}
		switch rand.IntN(10) {
		case 0:
			return 0, retry.Permanent(errDown)
		case 1:
			panic(errDown)
		case 2:
			return 1, nil
		case 3:
			return 0, retry.After(errDown, time.Millisecond)
		case 4:
			cancel()
			return 0, errDown
		}
		return 0, errDown
	})
}
