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

func hinted(after time.Duration) call.Outcome {
	return call.Outcome{Class: call.Transient, After: after}
}

func TestHint_JitterClippedToDeadline(t *testing.T) {
	now := time.Unix(0, 0)
	for _, u := range []float64{0, 0.5, 0.999999} {
		r := rules(call.Rules{Rand: func() float64 { return u }})
		c := r.Start(now, call.Options{Deadline: now.Add(1010 * time.Millisecond)})
		c.Next(now)
		c.Done(now, 1, hinted(time.Second))
		step := c.Next(now)
		require.Equal(t, call.Wait, step.Op, u)
		require.False(t, step.At.Before(now.Add(time.Second)), "sooner than asked for")
		require.True(t, step.At.Before(now.Add(1010*time.Millisecond)), u)
	}
	c := rules(call.Rules{}).Start(now, call.Options{Deadline: now.Add(time.Second)})
	c.Next(now)
	c.Done(now, 1, hinted(time.Second))
	require.Equal(t, call.ReasonDeadline, c.Next(now).Reason, "the wait alone does not fit")
}

func TestHint_NoHedgeBeforeIt(t *testing.T) {
	for name, set := range map[string]func(*call.Rules, *testkit.Ledger){
		"which can be planned": func(*call.Rules, *testkit.Ledger) {},
		"which the budget refuses": func(_ *call.Rules, l *testkit.Ledger) {
			l.Refuse = func(k budget.Kind) bool { return k == budget.Retry }
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := testkit.NewLedger()
			r := rules(call.Rules{MaxAttempts: 9, Budget: l, Hedge: timeout.Fixed(time.Second), Rand: func() float64 { return 0 }})
			set(r, l)
			now := time.Unix(0, 0)
			c := r.Start(now, call.Options{Hedge: true})
			c.Next(now)
			now = now.Add(time.Second)
			c.Next(now)
			c.Done(now, 2, hinted(10*time.Second))
			at, _, step := follow(&c, now)
			require.Equal(t, call.Send, step.Op)
			require.Equal(t, 10*time.Second, at.Sub(now))
		})
	}
}

func TestHint_NoHedgeIfPastDeadline(t *testing.T) {
	l := testkit.NewLedger()
	r := rules(call.Rules{MaxAttempts: 9, Budget: l, Hedge: timeout.Fixed(time.Second)})
	now := time.Unix(0, 0)
	c := r.Start(now, call.Options{Hedge: true, Deadline: now.Add(20 * time.Second)})
	c.Next(now)
	now = now.Add(time.Second)
	c.Next(now)
	c.Done(now, 2, hinted(30*time.Second))
	require.Equal(t, call.Step{Op: call.Wait}, c.Next(now), "only the attempt under way may answer")
	c.Done(now.Add(time.Second), 1, transient)
	require.Equal(t, call.ReasonDeadline, c.Next(now.Add(time.Second)).Reason, "nor is a sibling's failure retried before it")
	l.Settled(t)
}

func TestHint_KeptFromTimedOutAttempt(t *testing.T) {
	now := time.Unix(0, 0)
	c := rules(call.Rules{Rand: func() float64 { return 0 }}).Start(now, call.Options{})
	c.Next(now)
	c.Done(now, 1, call.Outcome{Class: call.Timeout, After: 7 * time.Second})
	require.Equal(t, now.Add(7*time.Second), c.Next(now).At)
}

func TestHint_OfMaxHintReplacesBackoff(t *testing.T) {
	r := rules(call.Rules{MaxHint: time.Second, Rand: func() float64 { return 0 }, Backoff: backoff.Constant(time.Minute)})
	now := time.Unix(1e9, 0)
	c := r.Start(now, call.Options{})
	c.Next(now)
	c.Done(now, 1, hinted(time.Second))
	require.Equal(t, call.Step{Op: call.Wait, At: now.Add(time.Second)}, c.Next(now))

	c = r.Start(now, call.Options{})
	c.Next(now)
	c.Done(now, 1, hinted(time.Second+1))
	require.Equal(t, call.ReasonHint, c.Next(now).Reason)
}
