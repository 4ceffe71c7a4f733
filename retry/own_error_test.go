package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// failure is a call that fails, and whether its error is the operation's own.
type failure struct {
	cfg    retry.Config
	opts   []retry.Option
	ctx    func(context.Context) (context.Context, context.CancelFunc)
	op     func(context.Context) error
	reason retry.Reason
	own    bool
}

func failures() map[string]failure {
	refusing := testkit.NewLedger()
	refusing.Refuse = func(budget.Kind) bool { return true }
	says := func(o retry.Outcome) []retry.Option {
		return []retry.Option{retry.WithClassifier(func(error) retry.Outcome { return o })}
	}
	once := func(ctx context.Context) (context.Context, context.CancelFunc) {
		return retry.WithIdempotency(ctx, retry.NotIdempotent), func() {}
	}
	canceledMeanwhile := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(500*ms, cancel)
		return ctx, cancel
	}
	return map[string]failure{
		"rejected":         {opts: says(retry.Outcome{Class: retry.Rejected}), reason: retry.ReasonRejected, own: true},
		"one attempt":      {cfg: retry.Config{MaxAttempts: 1}, reason: retry.ReasonMaxAttempts, own: true},
		"not idempotent":   {ctx: once, reason: retry.ReasonNotIdempotent, own: true},
		"do not retry":     {opts: says(retry.Outcome{Class: retry.Transient, Forbidden: retry.ReasonNoRetry}), reason: retry.ReasonNoRetry, own: true},
		"committed":        {opts: says(retry.Outcome{Class: retry.Transient, Forbidden: retry.ReasonCommitted}), reason: retry.ReasonCommitted, own: true},
		"a timeout unused": {cfg: retry.Config{AttemptTimeout: timeout.Fixed(time.Hour), MaxAttempts: 1}, reason: retry.ReasonMaxAttempts, own: true},
		"the caller gave up, and it says so": {
			ctx: canceledMeanwhile, op: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, reason: retry.ReasonCanceled, own: true,
		},
		"the caller gave up, and it says something else": {
			ctx: canceledMeanwhile, op: func(ctx context.Context) error { <-ctx.Done(); return io.EOF }, reason: retry.ReasonCanceled,
		},
		"the caller gave up while it waited": {ctx: canceledMeanwhile, reason: retry.ReasonCanceled},
		"the budget refused":                 {cfg: retry.Config{Budget: budget.Shared(refusing)}, reason: retry.ReasonBudget},
		"the hint is too long":               {opts: says(retry.Outcome{Class: retry.Transient, After: time.Hour}), reason: retry.ReasonHint},
		"the deadline is too near": {
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 500*ms)
			}, reason: retry.ReasonDeadline,
		},
		"our timeout": {
			cfg: retry.Config{AttemptTimeout: timeout.Fixed(ms), MaxAttempts: 1},
			op:  func(ctx context.Context) error { <-ctx.Done(); return io.EOF }, reason: retry.ReasonMaxAttempts,
		},
		"two attempts": {cfg: retry.Config{MaxAttempts: 2}, reason: retry.ReasonMaxAttempts},
	}
}

// A call of one attempt to which the policy added nothing returns the attempt's error itself,
// whatever the reason.
func TestOwnError_ReturnedIfNothingAdded(t *testing.T) {
	for name, c := range failures() {
		for mode, hedge := range map[string]timeout.Spec{"in turn": nil, "hedged": timeout.Fixed(time.Hour)} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, w := t.Context(), &testkit.Watcher{}
					if c.ctx != nil {
						var cancel context.CancelFunc
						ctx, cancel = c.ctx(ctx)
						defer cancel()
					}
					cfg := c.cfg
					cfg.Hedge = hedge
					p := testkit.Always(t, cfg, append(c.opts, retry.WithObserver(w))...)
					op := c.op
					if op == nil {
						op = func(context.Context) error { return io.EOF }
					}
					var got error
					_, err := retry.DoValue(ctx, p, func(ctx context.Context) (int, error) {
						got = op(ctx)
						return 0, got
					})
					require.Equal(t, c.reason, w.Reports[0].Reason)
					require.ErrorIs(t, err, got)
					require.Equal(t, c.own, err == got, "%v", err) //nolint:errorlint // the value itself
					if !c.own {
						require.Equal(t, c.reason, testkit.Stopped(t, err).Reason)
						require.Regexp(t, `^`+got.Error()+` \(evenkeel: .*\)$`, err.Error(), "the inner text comes first")
					}
				})
			})
		}
	}
}

func TestUnknownError_LeavesBudgetAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := retry.Must(retry.New(retry.Config{Backoff: backoff.None(), MaxAttempts: 2}))
		miss := func(context.Context) error { return errors.New("not there") }
		sent, reasons := 0, map[retry.Reason]int{}
		for range 30 {
			err := retry.Do(t.Context(), p, func(ctx context.Context) error { sent++; return miss(ctx) })
			reasons[testkit.Stopped(t, err).Reason]++
		}
		require.Equal(t, 30+4, sent, "four of them were sent again")
		require.Equal(t, map[retry.Reason]int{retry.ReasonMaxAttempts: 4, retry.ReasonBudget: 26}, reasons)

		n := 0
		require.NoError(t, retry.Do(t.Context(), p, func(context.Context) error {
			if n++; n == 1 {
				return fmt.Errorf("read: %w", context.DeadlineExceeded) // a failure of the network's
			}
			return nil
		}), "the destination's budget is as it was")

		for range 10 {
			require.NoError(t, retry.Do(t.Context(), p, func(context.Context) error { return nil }))
		}
		n = 0
		require.NoError(t, retry.Do(t.Context(), p, func(context.Context) error {
			if n++; n == 1 {
				return errors.New("not there")
			}
			return nil
		}), "ten successes afford another")
	})
}

func TestUnknownError_UnlimitedIfBudgetIs(t *testing.T) {
	p := retry.Must(retry.New(retry.Config{Backoff: backoff.None(), MaxAttempts: 2, Budget: budget.Unlimited{}}))
	for range 30 {
		err := retry.Do(t.Context(), p, func(context.Context) error { return errors.New("not there") })
		require.Equal(t, retry.ReasonMaxAttempts, testkit.Stopped(t, err).Reason)
	}
}

// A program that reloads again and again gives the same options each time.
func TestWithPermanent_OfReloadReplaces(t *testing.T) {
	old, gone, missing := errors.New("old"), errors.New("gone"), errors.New("missing")
	p := testkit.Always(t, retry.Config{MaxAttempts: 2}, retry.WithPermanent(old))
	q, err := p.Reload(p.Config(), retry.WithPermanent(gone), retry.WithPermanent(missing))
	require.NoError(t, err)
	r, err := q.Reload(q.Config())
	require.NoError(t, err)
	attempts := func(p *retry.Policy, err error) (n int) {
		_ = retry.Do(t.Context(), p, func(context.Context) error { n++; return err })
		return n
	}
	for _, p := range []*retry.Policy{q, r} {
		require.Equal(t, 2, attempts(p, old))
		require.Equal(t, 1, attempts(p, gone))
		require.Equal(t, 1, attempts(p, missing))
	}
	require.Equal(t, 1, attempts(p, old), "the old policy is as it was")
}

func TestWithPermanent_NamesAnswers(t *testing.T) {
	gone, none := errors.New("gone"), errors.New("none")
	for name, classifier := range map[string]retry.Option{
		"the default classifier": retry.WithMaxDestinations(1),
		"a classifier":           retry.WithClassifier(func(error) retry.Outcome { return transient }),
	} {
		t.Run(name, func(t *testing.T) {
			l, w := testkit.NewLedger(), &testkit.Watcher{}
			p := retry.Must(retry.New(retry.Config{Budget: budget.Shared(l), Backoff: backoff.None()},
				retry.WithPermanent(gone), retry.WithPermanent(none, io.EOF), classifier, retry.WithObserver(w)))
			for _, err := range []error{gone, fmt.Errorf("row 7: %w", none), io.EOF} {
				require.Equal(t, err, retry.Do(t.Context(), p, func(context.Context) error { return err }))
			}
			for _, r := range w.Reports {
				require.Equal(t, retry.ReasonRejected, r.Reason)
				require.Equal(t, 1, r.Attempts)
			}
			require.Equal(t, []budget.Evidence{budget.Alive, budget.Alive, budget.Alive}, l.Ends)
			require.Error(t, retry.Do(t.Context(), p, func(context.Context) error { return io.ErrUnexpectedEOF }))
			require.Equal(t, 3, w.Reports[3].Attempts)
		})
	}
}

// slowNone is a strategy that thinks for a second and then wants no wait.
type slowNone struct{}

func (slowNone) Delay(int, time.Duration, float64) time.Duration {
	time.Sleep(time.Second)
	return 0
}

func TestWaited_SameWithoutObserver(t *testing.T) {
	waited := func(opts ...retry.Option) (d time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			p := testkit.Always(t, retry.Config{MaxAttempts: 3, Backoff: slowNone{}}, opts...)
			d = testkit.Stopped(t, retry.Do(t.Context(), p, func(context.Context) error { return io.EOF })).Waited
		})
		return d
	}
	require.Equal(t, 2*time.Second, waited())
	require.Equal(t, 2*time.Second, waited(retry.WithObserver(&testkit.Watcher{})))
}
