package retry_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// response stands for what a transport returns: a status, and a body that can be read while its context lives.
type response struct {
	status int
	ctx    context.Context
}

// transport is the Work of a driver for responses; send answers attempt n.
func transport(send func(ctx context.Context, n int) (int, error), discarded *[]int) *retry.Work[struct{}, response] {
	return &retry.Work[struct{}, response]{
		Send: func(_ struct{}, ctx context.Context, attempt int, _ bool) (response, error) {
			status, err := send(ctx, attempt)
			return response{status, ctx}, err
		},
		Classify: func(_ struct{}, r response, err error, ended bool) retry.Outcome {
			switch {
			case ended:
				return retry.Outcome{Class: retry.Timeout}
			case err != nil || r.status >= 500:
				return transient
			case r.status >= 400:
				return retry.Outcome{Class: retry.Rejected, Alive: true}
			}
			return retry.Outcome{}
		},
		Discard: func(_ struct{}, r response, err error) { *discarded = append(*discarded, r.status) },
	}
}

func TestRunHandsOverTheLastResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var discarded []int
		w := transport(func(_ context.Context, n int) (int, error) { return 500 + n, nil }, &discarded)
		r, err := retry.Run(t.Context(), always(t, retry.Config{}), w)
		e := stopped(t, err)
		require.Equal(t, 503, r.status, "the last response is the caller's")
		require.Equal(t, []int{501, 502}, discarded)
		require.NoError(t, e.Last, "a response is no error")
		require.EqualError(t, err, "stopped after 3 attempts (max_attempts)")

		discarded = nil
		w = transport(func(context.Context, int) (int, error) { return 404, nil }, &discarded)
		r, err = retry.Run(t.Context(), always(t, retry.Config{}), w)
		require.Equal(t, retry.ReasonRejected, stopped(t, err).Reason)
		require.Equal(t, 404, r.status)
		require.Empty(t, discarded)
	})
}

func TestRunGivenUpInTheWaitHasNoResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var discarded []int
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(ms, cancel)
		w := transport(func(context.Context, int) (int, error) { return 503, nil }, &discarded)
		r, err := retry.Run(ctx, always(t, retry.Config{}), w)
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, r.status)
		require.Equal(t, []int{503}, discarded)
	})
}

func TestOpeningDoesNotBoundWhatFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var discarded []int
		var release context.CancelFunc
		ctx := newParent()
		w := transport(func(ctx context.Context, n int) (int, error) {
			if _, ok := ctx.Deadline(); ok {
				t.Error("an opening timeout is not a deadline")
			}
			if n == 1 {
				<-ctx.Done()
				require.Equal(t, timeout.ErrAttempt, context.Cause(ctx))
				return 0, ctx.Err()
			}
			return 200, nil
		}, &discarded)
		w.Opening = true
		w.Keep = func(r response, cancel context.CancelFunc) response { release = cancel; return r }
		r, err := retry.Run(ctx, always(t, retry.Config{AttemptTimeout: timeout.Fixed(time.Second)}), w)
		require.NoError(t, err)
		require.Equal(t, 200, r.status)
		time.Sleep(time.Hour) // reading the body
		require.NoError(t, r.ctx.Err())
		release()
		require.ErrorIs(t, r.ctx.Err(), context.Canceled)
		require.Zero(t, ctx.registered())
		require.Equal(t, []int{0}, discarded)
	})
}

func TestOpeningThatEndedIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := always(t, retry.Config{AttemptTimeout: timeout.Fixed(time.Second)})
		var kept context.Context
		w := retry.Work[struct{}, int]{
			Opening: true,
			Send: func(_ struct{}, ctx context.Context, attempt int, _ bool) (int, error) {
				kept = ctx
				if attempt == 1 {
					time.Sleep(2 * time.Second) // the answer comes as the timer fires
				}
				return attempt, nil
			},
			Classify: func(_ struct{}, _ int, err error, ended bool) retry.Outcome {
				if ended {
					return retry.Outcome{Class: retry.Timeout}
				}
				return retry.Outcome{}
			},
			Keep: func(v int, cancel context.CancelFunc) int { t.Cleanup(cancel); return v },
		}
		v, err := retry.Run(t.Context(), p, &w)
		require.NoError(t, err)
		require.Equal(t, 2, v)
		require.NoError(t, kept.Err(), "an answer whose context has ended cannot be read")
	})
}

func TestAnOpeningThatCameTooLateIsDisposedOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var discarded []int
		w := transport(func(_ context.Context, n int) (int, error) {
			time.Sleep(2 * time.Second)
			return 200 + n, nil
		}, &discarded)
		w.Opening = true
		p := always(t, retry.Config{MaxAttempts: 2, AttemptTimeout: timeout.Fixed(time.Second)})
		r, err := retry.Run(t.Context(), p, w)
		e := stopped(t, err)
		require.Equal(t, retry.ReasonMaxAttempts, e.Reason)
		require.ErrorIs(t, err, timeout.ErrAttempt)
		require.True(t, e.Timeout())
		require.Zero(t, r.status, "no answer is better than one that cannot be read")
		require.Contains(t, discarded, 201)
		require.Contains(t, discarded, 202)
	})
}

func TestAResponseThatComesAfterTheCallerGaveUp(t *testing.T) {
	for status, want := range map[int]retry.Reason{
		200: retry.ReasonSuccess, 404: retry.ReasonRejected, 503: retry.ReasonCanceled,
	} {
		for name, hedge := range map[string]timeout.Spec{"in turn": nil, "hedged": timeout.Fixed(time.Hour)} {
			l := newLedger()
			ctx, cancel := context.WithCancel(t.Context())
			var discarded []int
			w := transport(func(context.Context, int) (int, error) { cancel(); return status, nil }, &discarded)
			w.Hedge = hedge != nil
			r, err := retry.Run(ctx, always(t, retry.Config{Hedge: hedge, Budget: budget.Shared(l)}), w)
			require.Equal(t, status, r.status, name)
			require.Empty(t, discarded)
			if want == retry.ReasonSuccess {
				require.NoError(t, err)
			} else {
				require.Equal(t, want, stopped(t, err).Reason, name)
			}
			if want == retry.ReasonCanceled {
				require.ErrorIs(t, err, context.Canceled)
				require.Equal(t, []budget.Evidence{budget.None}, l.ends, "what came after the caller gave up says nothing")
			}
			l.settled(t)
		}
	}
}

// A driver of its own, as the simulator and the stream interceptor are.
func TestADriverOfACallTellsTheObserver(t *testing.T) {
	l, w := newLedger(), &watcher{}
	p := always(t, retry.Config{MaxAttempts: 1, Budget: budget.Shared(l)}, retry.WithObserver(w)).For("x")
	now := time.Now()
	for _, o := range []retry.Outcome{{}, transient} {
		c := p.Start(now, time.Time{}, false)
		c.Next(now)
		p.AttemptDone(t.Context(), retry.Attempt{Number: 1, Sent: now, Outcome: o, Err: errDown})
		c.Done(now, 1, o)
		c.Next(now)
		err := p.CallDone(t.Context(), &c, errDown)
		if o.Class == retry.Success {
			require.NoError(t, err)
			continue
		}
		e := stopped(t, err)
		require.Equal(t, retry.ReasonMaxAttempts, e.Reason)
		require.Equal(t, errDown, e.Last)
		require.Equal(t, "x", e.Destination)
	}
	require.Equal(t, []string{"attempt 1", "call", "attempt 1", "call"}, w.order)
	require.Equal(t, "x", w.attempts[0].Destination)
	require.Equal(t, errDown, w.reports[1].Err)
	require.Equal(t, retry.ReasonSuccess, w.reports[0].Reason)

	quiet := always(t, retry.Config{})
	c := quiet.Start(now, time.Time{}, false)
	c.Next(now)
	quiet.AttemptDone(t.Context(), retry.Attempt{})
	c.Done(now, 1, retry.Outcome{})
	require.NoError(t, quiet.CallDone(t.Context(), &c, nil))
}

func TestContinueAfterAPlainFirstAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := always(t, retry.Config{Backoff: backoff.Constant(time.Second)})
		require.True(t, p.Plain())
		var discarded, sent []int
		w := transport(func(_ context.Context, n int) (int, error) {
			sent = append(sent, n)
			return 200, nil
		}, &discarded)
		f := p.Begin()
		start := time.Now()
		r, err := retry.Continue(t.Context(), p, w, f, response{status: 503}, nil)
		require.NoError(t, err)
		require.Equal(t, 200, r.status)
		require.Equal(t, []int{2}, sent)
		require.Equal(t, []int{503}, discarded)
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestBeginAndSucceed(t *testing.T) {
	l := newLedger()
	p := always(t, retry.Config{Budget: budget.Shared(l)})
	p.Succeed(p.Begin())
	require.Equal(t, []budget.Evidence{budget.Alive}, l.ends)
	require.Len(t, l.times, 2)
	require.False(t, l.times[0].IsZero(), "this budget looks at the clock")
	l.settled(t)
}

// lessons is a limit that records what it is told.
type lessons struct{ told *[]lesson }

type lesson struct {
	took     time.Duration
	answered bool
}

func (s lessons) Validate() error        { return nil }
func (s lessons) New() timeout.Limit     { return s }
func (s lessons) Timeout() time.Duration { return 10 * time.Second }
func (s lessons) Usual() time.Duration   { return 0 }
func (s lessons) Observe(_ time.Time, took time.Duration, answered bool) {
	*s.told = append(*s.told, lesson{took, answered})
}

func TestLimitsLearnHowLongAnswersTake(t *testing.T) {
	for name, set := range map[string]func(*retry.Config, lessons){
		"timeout": func(c *retry.Config, s lessons) { c.AttemptTimeout = s },
		"hedge":   func(c *retry.Config, s lessons) { c.Hedge = s },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []lesson
				cfg := retry.Config{MaxAttempts: 2}
				set(&cfg, lessons{&told})
				p := always(t, cfg)
				call := func(acts ...act) []lesson {
					told = nil
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					_ = retry.Do(ctx, p, func(ctx context.Context) error {
						_, err := play(acts...)(ctx)
						return err
					})
					return told
				}
				require.Equal(t, []lesson{{time.Second, true}}, call(act{after: time.Second}))
				require.Equal(t, []lesson{{time.Second, true}}, call(act{after: time.Second, err: retry.Permanent(errDown)}))
				require.Equal(t, []lesson{{ms, true}}, call(act{after: time.Second, err: errDown}, act{after: ms}),
					"a fast failure is not a fast answer")
				if name == "timeout" {
					require.Equal(t, []lesson{{10 * time.Second, false}, {ms, true}}, call(act{after: time.Hour}, act{after: ms}))
				} else {
					require.Equal(t, []lesson{{time.Minute, false}}, call(act{after: time.Hour}), "the caller's deadline")
				}
			})
		})
	}
}
