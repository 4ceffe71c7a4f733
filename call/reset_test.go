package call_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
)

const goodRun = time.Minute

// attempt lets an attempt run for d and end with o, and returns when the next is sent.
func attempt(t *testing.T, c *call.Call, now time.Time, number int, d time.Duration, o call.Outcome) (time.Time, call.Step) {
	t.Helper()
	now = now.Add(d)
	c.Done(now, number, o)
	at, _, step := follow(c, now)
	return at, step
}

func TestResetAfter_ResetsAttemptsAndBackoff(t *testing.T) {
	l := testkit.NewLedger()
	r := rules(call.Rules{ResetAfter: goodRun, Budget: l, Backoff: backoff.Exponential(time.Second, time.Hour)})
	now := time.Unix(1e9, 0)
	c := r.Start(now, call.Options{Reset: true})
	c.Next(now)
	for i, x := range []struct{ runs, waits time.Duration }{
		{0, time.Second}, {goodRun - 1, 2 * time.Second}, // nothing yet
		{goodRun, time.Second}, {0, 2 * time.Second}, // the long one is the first of three
		{time.Hour, time.Second}, {time.Hour, time.Second}, {time.Hour, time.Second},
	} {
		at, step := attempt(t, &c, now, i+1, x.runs, transient)
		require.Equal(t, call.Send, step.Op, i)
		require.Equal(t, x.waits, at.Sub(now.Add(x.runs)), "after attempt %d", i+1)
		now = at
	}
	now, _ = attempt(t, &c, now, 8, 0, transient)
	_, step := attempt(t, &c, now, 9, 0, transient)
	require.Equal(t, call.ReasonMaxAttempts, step.Reason)
	require.Equal(t, 9, c.Report().Attempts, "all count")
	l.Settled(t)
	require.Equal(t, 4, l.Ended(budget.Alive), "a destination that served so long works")
}

func TestResetAfter_OnlyIfAttemptRan(t *testing.T) {
	for name, c := range map[string]struct {
		o     call.Outcome
		opts  call.Options
		reset bool
	}{
		"a failure":           {transient, call.Options{Reset: true}, true},
		"an overload":         {call.Outcome{Class: call.Throttled}, call.Options{Reset: true}, true},
		"one that was silent": {call.Outcome{Class: call.Timeout}, call.Options{Reset: true}, false},
		"one request":         {transient, call.Options{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			cl := rules(call.Rules{MaxAttempts: 1, ResetAfter: goodRun}).Start(time.Unix(0, 0), call.Options{})
			cl.Next(time.Unix(0, 0))
			cl.Done(time.Unix(0, 0).Add(time.Hour), 1, c.o)
			require.Equal(t, call.ReasonMaxAttempts, cl.Next(time.Unix(0, 0).Add(time.Hour)).Reason, "MaxAttempts 1 stays one")

			now := time.Unix(0, 0)
			cl = rules(call.Rules{MaxAttempts: 2, ResetAfter: goodRun}).Start(now, c.opts)
			cl.Next(now)
			now, _ = attempt(t, &cl, now, 1, 0, transient)
			_, step := attempt(t, &cl, now, 2, goodRun, c.o)
			require.Equal(t, c.reset, step.Op == call.Send)
		})
	}
}

func TestResetAfter_ResetsMaxElapsed(t *testing.T) {
	r := rules(call.Rules{ResetAfter: goodRun, MaxElapsed: limit, MaxAttempts: -1, Backoff: backoff.Constant(4 * time.Second)})
	now := time.Unix(0, 0)
	c := r.Start(now, call.Options{Reset: true})
	c.Next(now)
	now, step := attempt(t, &c, now, 1, time.Hour, transient)
	require.Equal(t, call.Send, step.Op, "4 seconds after a good run")
	now, step = attempt(t, &c, now, 2, 0, transient)
	require.Equal(t, call.Send, step.Op, "8 seconds")
	_, step = attempt(t, &c, now, 3, 0, transient)
	require.Equal(t, call.ReasonMaxElapsed, step.Reason, "12 seconds")
}

// The wait after a first attempt that ran well is the first one's, as after any; that it ran well
// shows in the budget.
func TestResetAfter_FirstAttemptSentOutside(t *testing.T) {
	now := time.Unix(1e9, 0)
	for name, c := range map[string]struct {
		sent time.Time
		want int
	}{"timed": {now.Add(-goodRun), 1}, "short": {now.Add(1 - goodRun), 0}, "not timed": {time.Time{}, 0}} {
		l := testkit.NewLedger()
		r := rules(call.Rules{ResetAfter: goodRun, Budget: l})
		cl := r.Resume(now, call.First{Sent: c.sent, Permit: l.Begin(now)}, call.Options{Reset: true})
		cl.Done(now, 1, transient)
		require.Equal(t, c.want, l.Ended(budget.Alive), name)
		cl.Cancel(now, call.ReasonCanceled)
		l.Settled(t)
	}
}

// However long its attempts run, the budget decides on each retry.
func TestResetAfter_BudgetStillApplies(t *testing.T) {
	l := testkit.NewLedger()
	l.Refuse = func(budget.Kind) bool { return l.Admits >= 3 }
	r := rules(call.Rules{ResetAfter: goodRun, Budget: l})
	now := time.Unix(0, 0)
	c := r.Start(now, call.Options{Reset: true})
	c.Next(now)
	for n := 1; ; n++ {
		at, step := attempt(t, &c, now, n, time.Hour, transient)
		if step.Op == call.Stop {
			require.Equal(t, call.ReasonBudget, step.Reason)
			require.Equal(t, 4, n)
			break
		}
		now = at
	}
	l.Settled(t)
}
