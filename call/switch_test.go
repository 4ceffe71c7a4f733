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

// disabled returns the step of a call that Off has stopped.
func disabled(attempt int) call.Step {
	return call.Step{Op: call.Stop, Attempt: attempt, Reason: call.ReasonDisabled}
}

// switched starts a call of the Rules, with a switch, whose first attempt is under way.
func switched(t *testing.T, now time.Time, r call.Rules) (l *testkit.Ledger, off *bool, c call.Call) {
	l, off = testkit.NewLedger(), new(bool)
	r.Off = func() bool { return *off }
	if r.Budget == nil {
		r.Budget = l
	}
	c = rules(r).Start(now, call.Options{Hedge: true})
	require.Equal(t, budget.First, c.Next(now).Kind)
	return l, off, c
}

func TestOff_NoResends(t *testing.T) {
	now := time.Unix(0, 0)
	t.Run("no_retry_is_planned", func(t *testing.T) {
		l, off, c := switched(t, now, call.Rules{})
		*off = true
		c.Done(now, 1, transient)
		require.Equal(t, disabled(1), c.Next(now))
		require.Zero(t, l.Admits, "the budget is not asked")
		l.Settled(t)
	})
	t.Run("a_planned_retry_is_given_back", func(t *testing.T) {
		l, off, c := switched(t, now, call.Rules{})
		c.Done(now, 1, transient)
		require.Equal(t, call.Wait, c.Next(now).Op)
		*off = true
		require.Equal(t, disabled(1), c.Next(now.Add(time.Millisecond)), "before it is due")
		require.Equal(t, []budget.Evidence{budget.Failed, budget.Unsent}, l.Ends)
		l.Settled(t)
		require.Equal(t, time.Millisecond, c.Report().Waited)
	})
	t.Run("a_call_in_the_budgets_queue_leaves_it", func(t *testing.T) {
		q := queueOf(budget.Later)
		_, off, c := switched(t, now, call.Rules{Budget: q, Backoff: backoff.None()})
		c.Done(now, 1, transient)
		require.Equal(t, call.Wait, c.Next(now).Op)
		require.Len(t, q.tickets, 1)
		*off = true
		require.Equal(t, disabled(1), c.Next(now.Add(time.Millisecond)))
		require.Empty(t, q.tickets)
		q.Settled(t)
	})
	t.Run("no_hedge_is_sent", func(t *testing.T) {
		l, off, c := switched(t, now, call.Rules{Hedge: timeout.Fixed(time.Second)})
		*off = true
		require.Equal(t, call.Step{Op: call.Wait}, c.Next(now.Add(time.Minute)))
		require.Zero(t, l.Admits)
		*off = false
		require.Equal(t, budget.Hedge, c.Next(now.Add(time.Minute)).Kind)
	})
	t.Run("what_is_under_way_may_yet_answer", func(t *testing.T) {
		l, off, c := switched(t, now, call.Rules{Hedge: timeout.Fixed(time.Second)})
		require.Equal(t, budget.Hedge, c.Next(now.Add(time.Second)).Kind)
		c.Done(now.Add(time.Second), 1, transient)
		*off = true
		require.Equal(t, call.Step{Op: call.Wait}, c.Next(now.Add(time.Minute)))
		c.Done(now.Add(time.Minute), 2, call.Outcome{})
		require.Equal(t, call.ReasonSuccess, c.Next(now.Add(time.Minute)).Reason)
		l.Settled(t)
	})
	t.Run("nor_is_what_a_live_connection_handed_back", func(t *testing.T) {
		l, off, c := switched(t, now, call.Rules{})
		*off = true
		c.Done(now, 1, call.Outcome{Class: call.Unprocessed, Alive: true})
		require.Equal(t, disabled(1), c.Next(now))
		l.Settled(t)
	})
}

func TestOff_OtherReasonsFirst(t *testing.T) {
	now := time.Unix(0, 0)
	for _, row := range []struct {
		o    call.Outcome
		max  int
		want call.Reason
	}{
		{o: call.Outcome{Class: call.Transient, Forbidden: call.ReasonNotIdempotent}, want: call.ReasonNotIdempotent},
		{o: call.Outcome{Class: call.Rejected, Alive: true}, want: call.ReasonRejected},
		{o: transient, max: 1, want: call.ReasonMaxAttempts},
	} {
		_, off, c := switched(t, now, call.Rules{MaxAttempts: row.max})
		*off = true
		c.Done(now, 1, row.o)
		require.Equal(t, row.want, c.Next(now).Reason)
	}
}
