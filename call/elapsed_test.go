package call_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/timeout"
)

const limit = 10 * time.Second

func TestMaxElapsed_NoWaitBeyondIt(t *testing.T) {
	for name, c := range map[string]struct {
		wait   time.Duration
		reason call.Reason
	}{
		"ends with it":  {7 * time.Second, call.ReasonNone},
		"ends after it": {7*time.Second + 1, call.ReasonMaxElapsed},
		"never ends":    {math.MaxInt64, call.ReasonMaxElapsed},
	} {
		t.Run(name, func(t *testing.T) {
			l := testkit.NewLedger()
			r := rules(call.Rules{MaxElapsed: limit, Backoff: backoff.Constant(c.wait), Budget: l})
			now := time.Unix(1e9, 0)
			cl := r.Start(now, call.Options{})
			cl.Next(now)
			now = now.Add(3 * time.Second)
			cl.Done(now, 1, transient)
			require.Equal(t, c.reason, cl.Next(now).Reason)
			if c.reason == call.ReasonNone {
				step := cl.Next(now.Add(c.wait))
				require.Equal(t, call.Send, step.Op)
				cl.Done(now.Add(time.Hour), 2, call.Outcome{})
				require.Equal(t, call.ReasonSuccess, cl.Next(now.Add(time.Hour)).Reason, "the attempt under way is not cut")
			}
			l.Settled(t)
		})
	}
}

// A driver that sends the first attempt itself begins the call when that is sent.
func TestMaxElapsed_CountsFromFirstAttempt(t *testing.T) {
	for took, want := range map[time.Duration]call.Op{limit - time.Second: call.Wait, limit - time.Second + 1: call.Stop} {
		sent := time.Unix(1e9, 0)
		now := sent.Add(took)
		c := rules(call.Rules{MaxElapsed: limit, Backoff: backoff.Constant(time.Second)}).Resume(now, call.First{Sent: sent}, call.Options{})
		c.Done(now, 1, transient)
		require.Equal(t, want, c.Next(now).Op, took)
	}
	// A clock that was set back says nothing.
	now := time.Unix(1e9, 0)
	c := rules(call.Rules{MaxElapsed: limit, Backoff: backoff.Constant(time.Second)}).
		Resume(now, call.First{Sent: now.Add(time.Hour)}, call.Options{})
	c.Done(now, 1, transient)
	require.Equal(t, call.Wait, c.Next(now).Op)
}

func TestMaxElapsed_AppliesToEveryResend(t *testing.T) {
	late := time.Unix(0, 0).Add(limit + 1)
	for name, c := range map[string]struct {
		rules call.Rules
		o     call.Outcome
	}{
		"a retry":        {call.Rules{}, transient},
		"a hint":         {call.Rules{}, hinted(time.Millisecond)},
		"handed back":    {call.Rules{}, call.Outcome{Class: call.Unprocessed, Alive: true}},
		"without limits": {call.Rules{MaxAttempts: -1}, transient},
	} {
		t.Run(name, func(t *testing.T) {
			c.rules.MaxElapsed = limit
			cl := rules(c.rules).Start(time.Unix(0, 0), call.Options{})
			cl.Next(time.Unix(0, 0))
			cl.Done(late, 1, c.o)
			require.Equal(t, call.Step{Op: call.Stop, Attempt: 1, Reason: call.ReasonMaxElapsed}, cl.Next(late))
		})
	}
}

func TestMaxElapsed_NoHedgeBeyondIt(t *testing.T) {
	r := rules(call.Rules{MaxAttempts: 9, MaxElapsed: limit, Hedge: timeout.Fixed(6 * time.Second)})
	now := time.Unix(0, 0)
	c := r.Start(now, call.Options{Hedge: true})
	c.Next(now)
	now = now.Add(6 * time.Second)
	require.Equal(t, budget.Hedge, c.Next(now).Kind)
	require.Equal(t, call.Step{Op: call.Wait}, c.Next(now), "the attempts under way go on, alone")
	now = now.Add(time.Hour)
	require.Equal(t, call.Step{Op: call.Wait}, c.Next(now))
	c.Done(now, 2, transient)
	require.Equal(t, call.Step{Op: call.Wait}, c.Next(now))
	c.Done(now, 1, call.Outcome{})
	require.Equal(t, call.ReasonSuccess, c.Next(now).Reason)
}

// A wait for the budget's answer, and one that a sibling's hint makes longer, end with it too.
func TestMaxElapsed_EndsGrowingWaits(t *testing.T) {
	t.Run("the budget's queue", func(t *testing.T) {
		q := queueOf(budget.Later, budget.Later)
		r := rules(call.Rules{MaxElapsed: limit, Budget: q, Backoff: backoff.Constant(limit - time.Millisecond)})
		now := time.Unix(0, 0)
		c := r.Start(now, call.Options{})
		c.Next(now)
		c.Done(now, 1, transient)
		now = c.Next(now).At
		require.Equal(t, call.ReasonMaxElapsed, c.Next(now).Reason)
		q.Settled(t)
	})
	t.Run("a sibling's hint", func(t *testing.T) {
		l := testkit.NewLedger()
		r := rules(call.Rules{
			MaxAttempts: 9, MaxElapsed: limit, Budget: l, Hedge: timeout.Fixed(time.Second),
			Backoff: backoff.Constant(5 * time.Second),
		})
		now := time.Unix(0, 0)
		c := r.Start(now, call.Options{Hedge: true})
		c.Next(now)
		now = now.Add(time.Second)
		c.Next(now)
		c.Done(now, 2, transient)
		c.Done(now, 1, hinted(time.Minute))
		require.Equal(t, call.ReasonMaxElapsed, c.Next(now).Reason)
		l.Settled(t)
	})
}

func TestMaxElapsed_ErrorNamesIt(t *testing.T) {
	e := call.Error{Reason: call.ReasonMaxElapsed, Attempts: 1, Last: testkit.ErrDown}
	require.EqualError(t, &e, "down (evenkeel: max_elapsed after 1 attempt)")
	require.False(t, e.Bare(), "the policy refused a retry")
	require.Equal(t, time.Second, e.RetryAfter())
}

// Nothing is sent after it, whatever happens, unless it was due before.
func TestMaxElapsed_Model(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := time.Duration(rapid.Int64Range(1, 100).Draw(t, "max"))
		l := testkit.NewLedger()
		r := rules(call.Rules{
			MaxAttempts: -1, MaxElapsed: most, Budget: l, Hedge: timeout.Fixed(7),
			Backoff: backoff.Constant(time.Duration(rapid.Int64Range(1, 40).Draw(t, "backoff"))),
		})
		start := time.Unix(0, 0)
		now, open := start, []int{}
		c := r.Start(now, call.Options{Hedge: rapid.Bool().Draw(t, "hedge")})
		for range 200 {
			step := c.Next(now)
			switch step.Op {
			case call.Stop:
				l.Settled(t)
				return
			case call.Send:
				if now.Sub(start) > most {
					t.Fatalf("attempt %d is sent after %v", step.Attempt, now.Sub(start))
				}
				open = append(open, step.Attempt)
			case call.Wait:
				if len(open) > 0 && (step.At.IsZero() || rapid.Bool().Draw(t, "ends")) {
					now = now.Add(time.Duration(rapid.Int64Range(0, 20).Draw(t, "takes")))
					if !step.At.IsZero() && now.After(step.At) {
						now = step.At
					}
					i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
					c.Done(now, open[i], transient)
					open = append(open[:i], open[i+1:]...)
					continue
				}
				now = step.At
			}
		}
		t.Fatal("the call does not stop")
	})
}
