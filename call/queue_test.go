package call_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// queueOf answers in turn; the last answer repeats.
func queueOf(answers ...budget.Answer) *fakeQueue {
	q := &fakeQueue{Ledger: testkit.NewLedger()}
	n := 0
	q.say = func() budget.Answer {
		n++
		return answers[min(n, len(answers))-1]
	}
	return q
}

// failed returns a call whose first attempt has failed at now.
func failed(r *call.Rules, now time.Time, o call.Options) call.Call {
	c := r.Start(now, o)
	c.Next(now)
	c.Done(now, 1, transient)
	return c
}

// follow waits as the call says until it sends or stops, and returns the time, how often it
// waited and the last step.
func follow(c *call.Call, now time.Time) (at time.Time, waits int, last call.Step) {
	for {
		step := c.Next(now)
		if step.Op != call.Wait {
			return now, waits, step
		}
		waits++
		now = step.At
	}
}

func TestQueue_AsksWhenRetryIsDue(t *testing.T) {
	q := queueOf(budget.Granted)
	now := time.Unix(0, 0)
	c := failed(rules(call.Rules{Budget: q}), now, call.Options{})
	require.Empty(t, q.Asked, "not at the failure")
	require.Equal(t, call.Step{Op: call.Wait, At: now.Add(time.Second)}, c.Next(now))
	require.Empty(t, q.Asked)
	step := c.Next(now.Add(time.Second))
	require.Equal(t, call.Send, step.Op)
	require.Equal(t, []testkit.Ask{{Kind: budget.Retry, Because: budget.Failed, Held: 1}}, q.Asked)
	c.Done(now.Add(time.Second), 2, call.Outcome{})
	q.Settled(t)
	require.Zero(t, c.Report().Queued)
}

func TestQueue_HopelessStopsAtOnce(t *testing.T) {
	q := queueOf(budget.Granted)
	q.hopeless = func() bool { return true }
	now := time.Unix(0, 0)
	c := failed(rules(call.Rules{Budget: q}), now, call.Options{})
	require.Equal(t, call.Step{Op: call.Stop, Attempt: 1, Reason: call.ReasonBudget}, c.Next(now))
	require.Empty(t, q.Asked)
	q.Settled(t)
}

func TestQueue_LateRefusalReturnsLastAnswer(t *testing.T) {
	q := queueOf(budget.Refused)
	now := time.Unix(0, 0)
	c := failed(rules(call.Rules{Budget: q}), now, call.Options{})
	at, waits, last := follow(&c, now)
	require.Equal(t, call.Step{Op: call.Stop, Attempt: 1, Reason: call.ReasonBudget}, last)
	require.Equal(t, time.Second, at.Sub(now))
	require.Equal(t, 1, waits)
	require.Equal(t, time.Second, c.Report().Waited)
	require.Zero(t, c.Report().Queued, "it was refused at once")
	q.Settled(t)
}

func TestLater_AsksLessAndLessOften(t *testing.T) {
	q := queueOf(budget.Later, budget.Later, budget.Later, budget.Granted)
	now := time.Unix(0, 0)
	r := rules(call.Rules{Budget: q, Backoff: backoff.None(), Rand: func() float64 { return 0.5 }})
	c := failed(r, now, call.Options{})
	at, waits, last := follow(&c, now)
	require.Equal(t, call.Send, last.Op)
	require.Equal(t, 3, waits)
	require.Equal(t, (20+30+45)*time.Millisecond, at.Sub(now))
	c.Done(at, 2, call.Outcome{})
	report := c.Report()
	require.Equal(t, at.Sub(now), report.Queued)
	require.Equal(t, at.Sub(now), report.Waited)
	require.Empty(t, q.tickets)
	q.Settled(t)
}

// How long a call waits is the budget's to say.
func TestLater_LastsWhileBudgetSaysSo(t *testing.T) {
	q := queueOf(budget.Later)
	now := time.Unix(0, 0)
	c := failed(rules(call.Rules{Budget: q, Backoff: backoff.None()}), now, call.Options{})
	for range 1000 {
		step := c.Next(now)
		require.Equal(t, call.Wait, step.Op)
		require.Len(t, q.tickets, 1)
		require.LessOrEqual(t, step.At.Sub(now), 300*time.Millisecond)
		now = step.At
	}
	q.say = func() budget.Answer { return budget.Refused }
	require.Equal(t, call.Step{Op: call.Stop, Attempt: 1, Reason: call.ReasonBudget}, c.Next(now))
	require.Equal(t, now.Sub(time.Unix(0, 0)), c.Report().Queued)
	require.Empty(t, q.tickets)
	q.Settled(t)
}

func TestLater_EndsBeforeDeadline(t *testing.T) {
	q := queueOf(budget.Later)
	now := time.Unix(0, 0)
	c := failed(rules(call.Rules{Budget: q, Backoff: backoff.None()}), now, call.Options{Deadline: now.Add(100 * time.Millisecond)})
	at, _, last := follow(&c, now)
	require.Equal(t, call.Step{Op: call.Stop, Attempt: 1, Reason: call.ReasonDeadline}, last)
	require.Less(t, at.Sub(now), 100*time.Millisecond)
	require.Empty(t, q.tickets)
}

func TestLater_ClockSetBackWaitsNoNegativeTime(t *testing.T) {
	now := time.Unix(0, 0)
	c := failed(rules(call.Rules{Budget: queueOf(budget.Later), Backoff: backoff.None()}), now, call.Options{})
	require.Equal(t, call.Wait, c.Next(now).Op)
	c.Cancel(now.Add(-time.Hour), call.ReasonCanceled)
	require.Zero(t, c.Report().Queued)
	require.Zero(t, c.Report().Waited)
}

func TestLater_CancelEndsWait(t *testing.T) {
	q := queueOf(budget.Later)
	now := time.Unix(0, 0)
	c := failed(rules(call.Rules{Budget: q, Backoff: backoff.None()}), now, call.Options{})
	require.Equal(t, call.Wait, c.Next(now).Op)
	require.Len(t, q.tickets, 1)
	c.Cancel(now.Add(time.Millisecond), call.ReasonCanceled)
	require.Empty(t, q.tickets)
	require.Equal(t, time.Millisecond, c.Report().Queued)
	q.Settled(t)
}

func TestLater_HedgeAsksAgain(t *testing.T) {
	q := queueOf(budget.Later, budget.Later, budget.Granted)
	now := time.Unix(0, 0)
	c := rules(call.Rules{Budget: q, Hedge: timeout.Fixed(time.Second), Rand: func() float64 { return 0.5 }}).Start(now, call.Options{Hedge: true})
	require.Equal(t, budget.First, c.Next(now).Kind)
	at, waits, last := follow(&c, now)
	require.Equal(t, budget.Hedge, last.Kind)
	require.Equal(t, 3, waits)
	require.Equal(t, (1000+20+30)*time.Millisecond, at.Sub(now))
	require.Zero(t, c.Report().Queued, "an attempt is under way")
	require.Empty(t, q.tickets)
	c.Done(at, 2, call.Outcome{})
	q.Settled(t)
}

func TestQueue_RefusalLeavesAttemptInFlight(t *testing.T) {
	q := queueOf(budget.Granted, budget.Refused)
	now := time.Unix(0, 0)
	c := rules(call.Rules{MaxAttempts: 5, Budget: q, Hedge: timeout.Fixed(time.Second)}).Start(now, call.Options{Hedge: true})
	c.Next(now)
	now = now.Add(time.Second)
	require.Equal(t, budget.Hedge, c.Next(now).Kind)
	c.Done(now, 1, transient)
	now = now.Add(time.Second)
	require.Equal(t, call.Wait, c.Next(now).Op, "the hedge may yet answer")
	c.Done(now, 2, call.Outcome{})
	require.Equal(t, call.ReasonSuccess, c.Next(now).Reason)
	q.Settled(t)
}

// A Queue that returns a permit with Later counts its waiting calls itself: each permit is passed
// on with the next question, or ended.
func TestLater_PermitPassedOnOrEnded(t *testing.T) {
	now := time.Unix(0, 0)
	wait := func() (b budget.Budget, c call.Call, under [2]budget.Permit) {
		b = budget.Adaptive{Waiting: 1}.New()
		for i := range under {
			p := b.Begin(now)
			b.End(now, p, budget.Failed)
			under[i], _ = b.Admit(now, budget.Retry, budget.Failed, p)
		}
		r := rules(call.Rules{Budget: b, Backoff: backoff.None()})
		c = failed(r, now, call.Options{})
		require.Equal(t, call.Wait, c.Next(now).Op)
		return b, c, under
	}
	roomFor := func(b budget.Budget, now time.Time) bool {
		p := b.Begin(now)
		b.End(now, p, budget.Failed)
		return !b.(budget.Queue).Hopeless(now, budget.Failed, p)
	}
	t.Run("until_it_is_granted", func(t *testing.T) {
		b, c, under := wait()
		require.False(t, roomFor(b, now))
		now := c.Next(now).At
		require.Equal(t, call.Wait, c.Next(now).Op)
		require.False(t, roomFor(b, now))
		b.End(now, under[0], budget.Alive)
		require.Equal(t, call.Send, c.Next(now.Add(time.Second/4)).Op)
	})
	t.Run("and_its_patience_is_the_budgets", func(t *testing.T) {
		b, c, _ := wait()
		at, waits, last := follow(&c, now)
		require.Equal(t, call.ReasonBudget, last.Reason)
		require.InDelta(t, 1.1, at.Sub(now).Seconds(), 0.25)
		require.Greater(t, waits, 3)
		require.True(t, roomFor(b, at))
	})
	t.Run("and_canceling_makes_room", func(t *testing.T) {
		b, c, _ := wait()
		c.Cancel(now, call.ReasonCanceled)
		require.True(t, roomFor(b, now))
	})
}

// The wait for the budget ends when the attempt is granted: how long that takes is no part of it.
func TestLater_GrantEndsBudgetWait(t *testing.T) {
	q := queueOf(budget.Later, budget.Granted)
	now := time.Unix(0, 0)
	c := failed(rules(call.Rules{Budget: q, Backoff: backoff.None()}), now, call.Options{})
	at, waits, step := follow(&c, now)
	require.Equal(t, call.Send, step.Op)
	require.Equal(t, 1, waits)
	c.Done(at.Add(time.Minute), step.Attempt, call.Outcome{})
	require.Equal(t, at.Sub(now), c.Report().Queued)
	q.Settled(t)
}
