package call_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// A limit that has learned nothing yet returns 0.
func TestHedge_NoneWithoutDelay(t *testing.T) {
	for _, delay := range []timeout.Fixed{0, -1} {
		l := testkit.NewLedger()
		r := rules(call.Rules{MaxAttempts: 3, Hedge: delay, Budget: l})
		now := time.Unix(1e9, 0)
		c := r.Start(now, call.Options{Hedge: true})
		require.Equal(t, call.Send, c.Next(now).Op)
		for _, later := range []time.Duration{0, 1, time.Hour} {
			require.Equal(t, call.Step{Op: call.Wait}, c.Next(now.Add(later)), "limit %d after %v", delay, later)
		}
		c.Done(now.Add(time.Hour), 1, call.Outcome{})
		require.Zero(t, c.Report().Hedges)
	}
}

// The budget is not asked before the hedge is due.
func TestHedge_AsksBudgetWhenDue(t *testing.T) {
	l := testkit.NewLedger()
	asked := 0
	l.Refuse = func(budget.Kind) bool {
		asked++
		return false
	}
	r := rules(call.Rules{MaxAttempts: 3, Hedge: timeout.Fixed(time.Second), Budget: l})
	now := time.Unix(1e9, 0)
	c := r.Start(now, call.Options{Hedge: true})
	c.Next(now)
	require.Equal(t, call.Step{Op: call.Wait, At: now.Add(time.Second)}, c.Next(now.Add(time.Second-1)))
	require.Zero(t, asked)
	require.Equal(t, budget.Hedge, c.Next(now.Add(time.Second)).Kind)
	require.Equal(t, 1, asked)
	c.Cancel(now.Add(time.Second), call.ReasonCanceled)
}
