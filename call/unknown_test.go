package call_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
)

func TestUnknownError_SpendsOwnBudget(t *testing.T) {
	unclear := call.Outcome{Class: call.Transient, Evidence: budget.Unknown}
	l, spare := testkit.NewLedger(), testkit.NewLedger()
	spare.Refuse = func(budget.Kind) bool { return spare.Admits == 1 }
	r := rules(call.Rules{Budget: l, Unknown: spare})
	now := time.Unix(0, 0)
	c := r.Start(now, call.Options{})
	c.Next(now)
	c.Done(now, 1, unclear)
	require.Equal(t, []budget.Evidence{budget.None}, l.Ends, "it says nothing of the destination")
	now, _, step := follow(&c, now)
	require.Equal(t, budget.Retry, step.Kind)
	c.Done(now, 2, unclear)
	require.Equal(t, call.Step{Op: call.Stop, Attempt: 2, Reason: call.ReasonBudget}, c.Next(now))
	require.Empty(t, l.Asked, "the destination's budget is not asked")
	require.Equal(t, []budget.Evidence{budget.Unknown}, spare.Ends)
	l.Settled(t)
	spare.Settled(t)

	t.Run("a success refills it", func(t *testing.T) {
		c := r.Start(now, call.Options{})
		c.Next(now)
		c.Done(now, 1, call.Outcome{})
		require.Equal(t, []budget.Evidence{budget.Unknown, budget.Alive}, spare.Ends)
		spare.Settled(t)
	})
	t.Run("without one the budget decides", func(t *testing.T) {
		l := testkit.NewLedger()
		c := rules(call.Rules{Budget: l}).Start(now, call.Options{})
		c.Next(now)
		c.Done(now, 1, unclear)
		require.Equal(t, []budget.Evidence{budget.Unknown}, l.Ends)
		require.Equal(t, []testkit.Ask{{Kind: budget.Retry, Because: budget.Unknown, Held: 1}}, l.Asked)
		c.Cancel(now, call.ReasonCanceled)
		l.Settled(t)
	})
}

func TestRules_ZeroRetriesWithoutLimitOrWait(t *testing.T) {
	var r call.Rules
	now := time.Unix(0, 0)
	c := r.Start(now, call.Options{Hedge: true})
	for n := 1; n < 100; n++ {
		require.Equal(t, call.Send, c.Next(now).Op)
		c.Done(now, n, call.Outcome{Class: call.Throttled})
	}
	c.Done(now, 99, call.Outcome{})
	c.Cancel(now, call.ReasonCanceled)
	require.Equal(t, call.ReasonCanceled, c.Next(now).Reason)
}
