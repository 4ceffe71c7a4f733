package drive_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// response stands for what a transport returns: a status, and a body that can be read while its
// context lives.
type response struct {
	status int
	ctx    context.Context
}

// transport returns the work of a driver for responses; send answers attempt n.
func transport(send func(ctx context.Context, n int) (int, error), discarded *[]int) *work[response] {
	return &work[response]{
		send: func(ctx context.Context, attempt int) (response, error) {
			status, err := send(ctx, attempt)
			return response{status, ctx}, err
		},
		classify: func(r drive.Result[response]) call.Outcome {
			switch {
			case r.Ended:
				return call.Outcome{Class: call.Timeout}
			case r.Err != nil || r.Value.status >= 500:
				return transient
			case r.Value.status >= 400:
				return call.Outcome{Class: call.Rejected, Alive: true}
			}
			return call.Outcome{}
		},
		discard: func(r response) { *discarded = append(*discarded, r.status) },
	}
}

// named is a transport whose responses have a status in words.
type named struct{ *work[response] }

func (named) Status(r response, _ error) string { return strconv.Itoa(r.status) }

func TestRun_StatusOfFailuresAndForObservers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := named{transport(func(_ context.Context, n int) (int, error) { return []int{503, 504, 200}[n-1], nil }, new([]int))}
		a := drive.Run(t.Context(), drive.Of(testkit.Always(t, retry.Config{MaxAttempts: 2})), w, w.Options)
		require.Len(t, a.Stopped.History, 2)
		require.Equal(t, "503", a.Stopped.History[0].Status)
		require.Equal(t, "504", a.Stopped.History[1].Status)

		var seen testkit.Watcher
		p := testkit.Always(t, retry.Config{MaxAttempts: 3}, retry.WithObserver(&seen))
		require.Nil(t, drive.Run(t.Context(), drive.Of(p), w, w.Options).Stopped)
		for i, want := range []string{"503", "504", "200"} {
			require.Equal(t, want, seen.Attempts[i].Status)
		}
	})
}

func TestRun_ReturnsLastResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var discarded []int
		w := transport(func(_ context.Context, n int) (int, error) { return 500 + n, nil }, &discarded)
		r, err := run(t.Context(), testkit.Always(t, retry.Config{}), w)
		e := testkit.Stopped(t, err)
		require.Equal(t, 503, r.status, "the last response is the caller's")
		require.Equal(t, []int{501, 502}, discarded)
		require.NoError(t, e.Last, "a response is no error")
		require.EqualError(t, err, "evenkeel: max_attempts after 3 attempts")

		discarded = nil
		w = transport(func(context.Context, int) (int, error) { return 404, nil }, &discarded)
		r, err = run(t.Context(), testkit.Always(t, retry.Config{}), w)
		require.Equal(t, retry.ReasonRejected, testkit.Stopped(t, err).Reason)
		require.Equal(t, 404, r.status)
		require.Empty(t, discarded)
	})
}

func TestRun_CanceledInWaitHasNoResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var discarded []int
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(ms, cancel)
		w := transport(func(context.Context, int) (int, error) { return 503, nil }, &discarded)
		r, err := run(ctx, testkit.Always(t, retry.Config{}), w)
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, r.status)
		require.Equal(t, []int{503}, discarded)
	})
}

func TestOpening_TimeoutBoundsOnlyOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var discarded []int
		var release context.CancelFunc
		ctx := testkit.NewParent()
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
		w.keep = func(r response, cancel context.CancelFunc) response { release = cancel; return r }
		r, err := run(ctx, testkit.Always(t, retry.Config{AttemptTimeout: timeout.Fixed(time.Second)}), w)
		require.NoError(t, err)
		require.Equal(t, 200, r.status)
		time.Sleep(time.Hour) // reading the body
		require.NoError(t, r.ctx.Err())
		release()
		require.ErrorIs(t, r.ctx.Err(), context.Canceled)
		require.Zero(t, ctx.Registered())
		require.Equal(t, []int{0}, discarded)
	})
}

func TestOpening_TimedOutIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := testkit.Always(t, retry.Config{AttemptTimeout: timeout.Fixed(time.Second)})
		var kept context.Context
		w := work[int]{
			Options: drive.Options{Opening: true},
			send: func(ctx context.Context, attempt int) (int, error) {
				kept = ctx
				if attempt == 1 {
					time.Sleep(2 * time.Second) // the answer comes as the timer fires
				}
				return attempt, nil
			},
			keep: func(v int, cancel context.CancelFunc) int { t.Cleanup(cancel); return v },
		}
		v, err := run(t.Context(), p, &w)
		require.NoError(t, err)
		require.Equal(t, 2, v)
		require.NoError(t, kept.Err(), "an answer whose context has ended cannot be read")
	})
}

func TestOpening_LateIsDiscarded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var discarded []int
		w := transport(func(_ context.Context, n int) (int, error) {
			time.Sleep(2 * time.Second)
			return 200 + n, nil
		}, &discarded)
		w.Opening = true
		p := testkit.Always(t, retry.Config{MaxAttempts: 2, AttemptTimeout: timeout.Fixed(time.Second)})
		r, err := run(t.Context(), p, w)
		e := testkit.Stopped(t, err)
		require.Equal(t, retry.ReasonMaxAttempts, e.Reason)
		require.ErrorIs(t, err, timeout.ErrAttempt)
		require.True(t, e.Timeout())
		require.Zero(t, r.status, "no answer is better than one that cannot be read")
		require.Contains(t, discarded, 201)
		require.Contains(t, discarded, 202)
	})
}

func TestRun_ResponseAfterCancel(t *testing.T) {
	for status, want := range map[int]retry.Reason{
		200: retry.ReasonSuccess, 404: retry.ReasonRejected, 503: retry.ReasonCanceled,
	} {
		for name, hedge := range map[string]timeout.Spec{"in turn": nil, "hedged": timeout.Fixed(time.Hour)} {
			l := testkit.NewLedger()
			ctx, cancel := context.WithCancel(t.Context())
			var discarded []int
			w := transport(func(context.Context, int) (int, error) { cancel(); return status, nil }, &discarded)
			w.Hedge = hedge != nil
			r, err := run(ctx, testkit.Always(t, retry.Config{Hedge: hedge, Budget: budget.Shared(l)}), w)
			require.Equal(t, status, r.status, name)
			require.Empty(t, discarded)
			if want == retry.ReasonSuccess {
				require.NoError(t, err)
			} else {
				require.Equal(t, want, testkit.Stopped(t, err).Reason, name)
			}
			if want == retry.ReasonCanceled {
				require.ErrorIs(t, err, context.Canceled)
				require.Equal(t, []budget.Evidence{budget.None}, l.Ends, "what came after the caller gave up says nothing")
			}
			l.Settled(t)
		}
	}
}

// A driver of its own, as the stream interceptor is.
func TestDriver_NotifiesObserver(t *testing.T) {
	w := &testkit.Watcher{}
	p := drive.Of(testkit.Always(t, retry.Config{MaxAttempts: 1}, retry.WithObserver(w)).For("x"))
	now := time.Now()
	for _, o := range []call.Outcome{{}, transient} {
		c := p.Start(now, call.Options{})
		c.Next(now)
		p.AttemptDone(t.Context(), call.Attempt{Number: 1, Sent: now, Outcome: o, Err: testkit.ErrDown})
		c.Done(now, 1, o)
		p.CallDone(t.Context(), c.Report())
		e := p.Stopped(t.Context(), &c, testkit.ErrDown, nil)
		if o.Class == call.Success {
			require.Nil(t, e)
			continue
		}
		require.Equal(t, call.ReasonMaxAttempts, e.Reason)
		require.Equal(t, testkit.ErrDown, e.Last)
		require.Equal(t, "x", e.Destination)
	}
	require.Equal(t, []string{"attempt 1", "call", "attempt 1", "call"}, w.Order)
	require.Equal(t, "x", w.Attempts[0].Destination)
	require.Equal(t, call.ReasonSuccess, w.Reports[0].Reason)

	quiet := drive.Of(testkit.Always(t, retry.Config{}))
	quiet.AttemptDone(t.Context(), call.Attempt{})
	quiet.CallDone(t.Context(), call.Report{})
}

// Whoever drives a call marks the request that a server is handling, as soon as the caller can
// see the error.
func TestStopped_MarksIncomingRequest(t *testing.T) {
	p := drive.Of(testkit.Always(t, retry.Config{MaxAttempts: 2}))
	for _, o := range []call.Outcome{
		{}, {Class: call.Rejected}, {Class: call.Throttled}, {Class: call.Transient, Forbidden: call.ReasonNoRetry},
	} {
		ctx, mark := layer.With(t.Context())
		now := time.Now()
		c := p.Start(now, call.Options{})
		c.Next(now)
		c.Done(now, 1, o)
		c.Cancel(now, call.ReasonCanceled) // does nothing to a call that has stopped
		stopped := p.Stopped(ctx, &c, testkit.ErrDown, nil)
		require.Equal(t, o.Forbidden == call.ReasonNoRetry, mark.Spent())
		require.Equal(t, o.Class == call.Success, stopped == nil)
	}
}

func TestResume_AfterFirstAttemptOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := drive.Of(testkit.Always(t, retry.Config{Backoff: backoff.Constant(time.Second)}))
		var discarded, sent []int
		w := transport(func(_ context.Context, n int) (int, error) {
			sent = append(sent, n)
			return 200, nil
		}, &discarded)
		f := call.First{Permit: p.Budget.Begin(time.Time{})}
		start := time.Now()
		a := drive.Resume(t.Context(), p, w, w.Options, f, response{status: 503}, nil)
		require.NoError(t, a.Error())
		require.Equal(t, 200, a.Value.status)
		require.Equal(t, []int{2}, sent)
		require.Equal(t, []int{503}, discarded)
		require.Equal(t, time.Second, time.Since(start))
	})
}
