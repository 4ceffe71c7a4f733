package drive_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
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

// The last answer is kept until the budget has granted another attempt: the call may yet stop
// with it.
func TestAnswer_KeptUntilNextAttemptGranted(t *testing.T) {
	for name, c := range map[string]struct {
		answers   []budget.Answer
		deadline  time.Duration
		status    int
		discarded []int
		reason    call.Reason
	}{
		"refused when due": {answers: []budget.Answer{budget.Refused}, status: 501, reason: call.ReasonBudget},
		"refused later": {
			answers: []budget.Answer{budget.Later, budget.Later, budget.Refused}, status: 501, reason: call.ReasonBudget,
		},
		"too late": {
			answers: []budget.Answer{budget.Later}, deadline: 1500 * ms, status: 501, reason: call.ReasonDeadline,
		},
		"granted later, then refused": {
			answers: []budget.Answer{budget.Later, budget.Granted, budget.Refused}, status: 502, discarded: []int{501},
			reason: call.ReasonBudget,
		},
	} {
		for mode, hedge := range map[string]timeout.Spec{"in turn": nil, "hedged": timeout.Fixed(time.Hour)} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					q := testkit.NewQueue(c.answers...)
					ctx := t.Context()
					if c.deadline > 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, c.deadline)
						defer cancel()
					}
					var discarded []int
					w := transport(func(_ context.Context, n int) (int, error) { return 500 + n, nil }, &discarded)
					w.Hedge = hedge != nil
					r, err := run(ctx, testkit.Always(t, retry.Config{Hedge: hedge, Budget: budget.Shared(q)}), w)
					require.Equal(t, c.status, r.status)
					require.Equal(t, c.discarded, discarded)
					require.Equal(t, c.reason, testkit.Stopped(t, err).Reason)
					q.Settled(t)
				})
			})
		}
	}
}

func TestAnswer_LosingRefusalIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var discarded []int
		w := transport(func(ctx context.Context, n int) (int, error) {
			if n == 2 {
				return 404, nil
			}
			return 503, testkit.Pause(ctx, time.Minute)
		}, &discarded)
		w.Hedge = true
		plain := w.classify
		w.classify = func(r drive.Result[response]) call.Outcome {
			o := plain(r)
			o.Shadow = r.Attempt > 1
			return o
		}
		start := time.Now()
		r, err := run(t.Context(), testkit.Always(t, retry.Config{Hedge: timeout.Fixed(time.Second)}), w)
		require.Equal(t, time.Minute, time.Since(start), "the first attempt may yet have answered")
		require.Equal(t, 404, r.status)
		require.Equal(t, []int{503}, discarded)
		e := testkit.Stopped(t, err)
		require.Equal(t, call.ReasonRejected, e.Reason)
		require.True(t, e.Shadow)
	})
}

// Every driver says the same of an attempt's own timeout, whatever the attempt returned.
func TestAttemptTimeout_SameInEveryDriver(t *testing.T) {
	for name, of := range map[string]func(context.Context) error{
		"the context's error": func(ctx context.Context) error { return ctx.Err() },
		"its cause":           context.Cause,
		"a cancellation":      func(context.Context) error { return context.Canceled },
		"a wrapped one":       func(context.Context) error { return errors.Join(testkit.ErrDown, context.Canceled) },
		"something else":      func(context.Context) error { return testkit.ErrDown },
	} {
		for _, opening := range []bool{false, true} {
			for mode, hedge := range map[string]timeout.Spec{"in turn": nil, "hedged": timeout.Fixed(time.Hour)} {
				t.Run(name+"/"+mode, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := work[int]{
							Options: drive.Options{Opening: opening, Hedge: hedge != nil},
							send: func(ctx context.Context, _ int) (int, error) {
								<-ctx.Done()
								return 0, of(ctx)
							},
						}
						p := testkit.Always(t, retry.Config{MaxAttempts: 2, Hedge: hedge, AttemptTimeout: timeout.Fixed(50 * ms)})
						_, err := run(t.Context(), p, &w)
						require.ErrorIs(t, err, timeout.ErrAttempt)
						require.ErrorIs(t, err, context.DeadlineExceeded)
						require.NotErrorIs(t, err, context.Canceled)
						require.True(t, testkit.Stopped(t, err).Timeout())
						require.ErrorContains(t, err, " (evenkeel: attempt timeout of 50ms, max_attempts after 2 attempts)")
					})
				})
			}
		}
	}
}

// A server that knows the attempt's deadline may fail the attempt before the context's timer does.
func TestAttemptTimeout_FailureAtDeadline(t *testing.T) {
	for mode, hedge := range map[string]timeout.Spec{"in turn": nil, "hedged": timeout.Fixed(time.Hour)} {
		t.Run(mode, func(t *testing.T) {
			p := testkit.Always(t, retry.Config{MaxAttempts: 1, Hedge: hedge, AttemptTimeout: timeout.Fixed(50 * ms)})
			for range 500 {
				synctest.Test(t, func(t *testing.T) {
					w := work[int]{
						Options: drive.Options{Hedge: hedge != nil},
						send: func(context.Context, int) (int, error) {
							time.Sleep(50 * ms)
							return 0, testkit.ErrDown
						},
					}
					_, err := run(t.Context(), p, &w)
					require.ErrorIs(t, err, timeout.ErrAttempt)
					require.ErrorIs(t, err, testkit.ErrDown)
				})
			}
		})
	}
}

// What a late answer says about retrying is heeded, although it comes too late to be read.
func TestAttemptTimeout_LateAnswersHintIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []time.Duration
		var discarded []int
		start := time.Now()
		w := transport(func(_ context.Context, n int) (int, error) {
			sent = append(sent, time.Since(start))
			if n == 1 {
				time.Sleep(time.Second) // as its timeout passes
				return 503, nil
			}
			return 200, nil
		}, &discarded)
		w.Opening = true
		w.classify = func(r drive.Result[response]) call.Outcome {
			switch {
			case r.Ended:
				return call.Outcome{Class: call.Timeout, After: 5 * time.Second}
			case r.Value.status >= 500:
				return transient
			}
			return call.Outcome{}
		}
		p := testkit.Always(t, retry.Config{AttemptTimeout: timeout.Fixed(time.Second), Backoff: backoff.None()},
			retry.WithRand(func() float64 { return 0 }))
		r, err := run(t.Context(), p, w)
		require.NoError(t, err)
		require.Equal(t, 200, r.status)
		require.Contains(t, discarded, 503)
		require.Equal(t, []time.Duration{0, 6 * time.Second}, sent)
	})
}

func TestClassifier_OncePerAttempt(t *testing.T) {
	for mode, hedge := range map[string]timeout.Spec{"in turn": nil, "hedged": timeout.Fixed(time.Hour)} {
		for limit, attempt := range map[string]timeout.Spec{"": nil, "timed": timeout.Fixed(time.Hour)} {
			asked := map[int]int{}
			w := work[int]{
				Options: drive.Options{Hedge: hedge != nil},
				send: func(_ context.Context, n int) (int, error) {
					if n < 3 {
						return n, testkit.ErrDown
					}
					return n, nil
				},
			}
			w.classify = func(r drive.Result[int]) call.Outcome {
				asked[r.Attempt]++
				if r.Err != nil {
					return transient
				}
				return call.Outcome{}
			}
			p := testkit.Always(t, retry.Config{Backoff: backoff.None(), Hedge: hedge, AttemptTimeout: attempt})
			_, err := run(t.Context(), p, &w)
			require.NoError(t, err)
			require.Equal(t, map[int]int{1: 1, 2: 1, 3: 1}, asked, mode+limit)
		}
	}
}
