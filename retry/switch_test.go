package retry_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// sends counts the attempts of a call that fails.
func sends(t *testing.T, p *retry.Policy) (n int, err error) {
	err = retry.Do(t.Context(), p, func(context.Context) error {
		n++
		return testkit.ErrDown
	})
	return n, err
}

func TestSwitch(t *testing.T) {
	t.Run("turns_retries_off_for_all_that_uses_the_policy_and_on_again", func(t *testing.T) {
		var off atomic.Bool
		cfg := retry.Config{Backoff: backoff.Constant(0), Budget: budget.Unlimited{}, MaxAttempts: 3}
		p := retry.Must(retry.New(cfg, retry.WithSwitch(&off)))
		cfg.MaxAttempts = 5
		reloaded := retry.Must(p.Reload(cfg))
		all := map[*retry.Policy]int{p: 3, p.For("a"): 3, reloaded: 5, reloaded.For("a"): 5}
		for range 2 {
			for p, want := range all {
				n, err := sends(t, p)
				require.Equal(t, want, n)
				require.ErrorContains(t, err, "max_attempts")
			}
			off.Store(true)
			for p := range all {
				n, err := sends(t, p)
				require.Equal(t, 1, n)
				require.Equal(t, testkit.ErrDown, err, "a call to which the policy added nothing")
			}
			off.Store(false)
		}
	})
	t.Run("leaves_the_budgets_as_they_were", func(t *testing.T) {
		var off atomic.Bool
		p := retry.Must(retry.New(retry.Config{Backoff: backoff.Constant(0)}, testkit.Known(), retry.WithSwitch(&off)))
		outage := func() {
			off.Store(true)
			defer off.Store(false)
			for range 1000 {
				n, _ := sends(t, p)
				require.Equal(t, 1, n)
			}
		}
		outage()
		n, _ := sends(t, p)
		require.Equal(t, 3, n, "full")
		outage()
		_, err := sends(t, p)
		require.Equal(t, retry.ReasonBudget, testkit.Stopped(t, err).Reason, "and spent")
	})
	t.Run("is_reported_to_observers", func(t *testing.T) {
		var off atomic.Bool
		off.Store(true)
		w := new(testkit.Watcher)
		p := retry.Must(retry.New(retry.Config{}, retry.WithSwitch(&off), retry.WithObserver(w)))
		_, _ = sends(t, p)
		require.Len(t, w.Reports, 1)
		require.Equal(t, retry.ReasonDisabled, w.Reports[0].Reason)
		require.Equal(t, "disabled", w.Reports[0].Reason.String())
	})
	t.Run("must_not_be_nil", func(t *testing.T) {
		_, err := retry.New(retry.Config{}, retry.WithSwitch(nil))
		require.EqualError(t, errors.Unwrap(err), "WithSwitch: must not be nil")
	})
}

func TestSwitch_DuringCalls(t *testing.T) {
	t.Run("stops_calls_that_wait_when_their_next_attempt_is_due", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var off atomic.Bool
			p := retry.Must(retry.New(retry.Config{Backoff: backoff.Constant(time.Second)}, retry.WithSwitch(&off)))
			time.AfterFunc(time.Second/2, func() { off.Store(true) })
			begin := time.Now()
			n, err := sends(t, p)
			require.Equal(t, 1, n)
			require.Equal(t, time.Second, time.Since(begin))
			require.Equal(t, retry.ReasonDisabled, testkit.Stopped(t, err).Reason)
			require.EqualError(t, err, testkit.ErrDown.Error()+" (evenkeel: disabled after 1 attempt)")
		})
	})
	t.Run("turns_hedges_off", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var off atomic.Bool
			p := retry.Must(retry.New(retry.Config{MaxAttempts: 2, Hedge: timeout.Fixed(time.Second)}, retry.WithSwitch(&off)))
			hedged := func() int32 {
				var n atomic.Int32
				_, err := retry.DoValue(t.Context(), p, func(context.Context) (int, error) {
					n.Add(1)
					time.Sleep(10 * time.Second)
					return 1, nil
				})
				require.NoError(t, err)
				return n.Load()
			}
			require.EqualValues(t, 2, hedged())
			off.Store(true)
			require.EqualValues(t, 1, hedged())
			off.Store(false)
			require.EqualValues(t, 2, hedged())
		})
	})
}
