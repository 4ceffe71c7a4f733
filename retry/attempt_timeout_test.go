package retry_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestAttemptTimeout_RetriedUnlikeDeadline(t *testing.T) {
	policies := map[string][]retry.Option{"alone": nil, "observed": {retry.WithObserver(&testkit.Watcher{})}}
	for name, opts := range policies {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := testkit.Always(t, retry.Config{AttemptTimeout: timeout.Fixed(time.Second), MaxAttempts: 5}, opts...)
				var causes []error
				hang := func(ctx context.Context) error {
					<-ctx.Done()
					causes = append(causes, context.Cause(ctx))
					return ctx.Err()
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
				defer cancel()
				start := time.Now()
				err := retry.Do(ctx, p, hang) // 1s, wait 1s, and half a second of the second attempt
				require.Equal(t, 2500*time.Millisecond, time.Since(start))
				require.Equal(t, []error{timeout.ErrAttempt, context.DeadlineExceeded}, causes)
				e := testkit.Stopped(t, err)
				require.Equal(t, retry.ReasonDeadline, e.Reason)
				require.Equal(t, 2, e.Attempts)
				require.Equal(t, retry.Timeout, e.History[0].Class)
				require.Equal(t, retry.Canceled, e.History[1].Class)
				require.True(t, e.Timeout())
				require.ErrorIs(t, err, context.DeadlineExceeded)
			})
		})
	}
}

func TestAttemptTimeout_ThenSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := testkit.NewLedger()
		p := testkit.Always(t, retry.Config{AttemptTimeout: timeout.Fixed(time.Second), Budget: budget.Shared(l)})
		v, err := retry.DoValue(t.Context(), p, func(ctx context.Context) (int, error) {
			if n := retry.AttemptNumber(ctx); n > 1 {
				return n, nil
			}
			return 0, testkit.Pause(ctx, time.Hour)
		})
		require.NoError(t, err)
		require.Equal(t, 2, v)
		require.Equal(t, []budget.Evidence{budget.Silent, budget.Alive}, l.Ends)
	})
}

func TestAttemptTimeout_LateRefusalCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &testkit.Watcher{}
		p := testkit.Always(t, retry.Config{AttemptTimeout: timeout.Fixed(time.Second)}, retry.WithObserver(w))
		err := retry.Do(t.Context(), p, func(ctx context.Context) error {
			<-ctx.Done()
			return retry.Permanent(testkit.ErrDown)
		})
		require.EqualError(t, err, "down")
		require.Equal(t, retry.ReasonRejected, w.Reports[0].Reason)
	})
}

// What is only the timeout's doing says nothing of the request: no classifier is asked, and
// nobody takes it for an answer.
func TestAttemptTimeout_BeforeClassifier(t *testing.T) {
	for name, say := range map[string]func(error) error{
		"the context's error": func(err error) error { return err },
		"wrapped":             func(err error) error { return fmt.Errorf("query: %w", err) },
	} {
		for _, attempts := range []int{1, 3} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l, learnt := testkit.NewLedger(), &sampled{}
					cfg := retry.Config{MaxAttempts: attempts, AttemptTimeout: learnt, Budget: budget.Shared(l)}
					p := testkit.Always(t, cfg, retry.WithClassifier(func(err error) retry.Outcome {
						t.Errorf("asked of %v", err)
						return retry.Outcome{Class: retry.Rejected, Alive: true}
					}))
					err := retry.Do(t.Context(), p, func(ctx context.Context) error { return say(testkit.Pause(ctx, time.Hour)) })
					require.Equal(t, retry.ReasonMaxAttempts, testkit.Stopped(t, err).Reason)
					require.Equal(t, attempts, testkit.Stopped(t, err).Attempts)
					require.Equal(t, slices.Repeat([]budget.Evidence{budget.Silent}, attempts), l.Ends)
					require.Equal(t, slices.Repeat([]bool{false}, attempts), learnt.answered)
				})
			})
		}
	}
}

// sampled is a limit of a second that remembers which of its samples were answers.
type sampled struct{ answered []bool }

func (s *sampled) New() timeout.Limit     { return s }
func (s *sampled) Validate() error        { return nil }
func (s *sampled) Timeout() time.Duration { return time.Second }
func (s *sampled) Usual() time.Duration   { return 0 }
func (s *sampled) Observe(_ time.Time, _ time.Duration, answered bool) {
	s.answered = append(s.answered, answered)
}

// An error that came after the attempt's timeout is no answer either, but its wait is obeyed.
func TestAttemptTimeout_LateFailureIsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := testkit.NewLedger(), &testkit.Watcher{}
		cfg := retry.Config{MaxAttempts: 2, AttemptTimeout: timeout.Fixed(time.Second), Budget: budget.Shared(l)}
		err := retry.Do(t.Context(), testkit.Always(t, cfg, retry.WithObserver(w)), func(ctx context.Context) error {
			<-ctx.Done()
			return retry.After(testkit.ErrDown, time.Minute)
		})
		require.Equal(t, retry.Timeout, testkit.Stopped(t, err).History[0].Class)
		require.Equal(t, retry.Timeout, testkit.Stopped(t, err).History[1].Class)
		require.Equal(t, []budget.Evidence{budget.Silent, budget.Silent}, l.Ends)
		require.GreaterOrEqual(t, w.Attempts[1].Waited, time.Minute)
	})
}

func TestAttemptTimeout_MarkedPermanentIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, learnt := testkit.NewLedger(), &sampled{}
		p := testkit.Always(t, retry.Config{AttemptTimeout: learnt, Budget: budget.Shared(l)})
		err := retry.Do(t.Context(), p, func(ctx context.Context) error { return retry.Permanent(testkit.Pause(ctx, time.Hour)) })
		require.Equal(t, retry.ReasonRejected, testkit.Stopped(t, err).Reason)
		require.Equal(t, []budget.Evidence{budget.Silent}, l.Ends)
		require.Equal(t, []bool{false}, learnt.answered)
	})
}
