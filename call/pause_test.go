package call_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/dest"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// sharing returns rules whose calls obey what servers ask of others, and the budget's books.
func sharing(r call.Rules) (*call.Rules, *testkit.Ledger) {
	l := testkit.NewLedger()
	r.Pause, r.Budget = dest.NewPauses(4).Of(""), l
	if r.Rand == nil {
		r.Rand = func() float64 { return 0 }
	}
	return rules(r), l
}

// asked lets a call be answered with a wait of d at now.
func asked(r *call.Rules, now time.Time, o call.Outcome) {
	c := r.Start(now, call.Options{})
	c.Next(now)
	c.Done(now, 1, o)
	c.Cancel(now, call.ReasonCanceled)
}

func TestPause_DelaysOtherFirstAttempts(t *testing.T) {
	r, l := sharing(call.Rules{})
	now := time.Unix(1e9, 0)
	asked(r, now, hinted(10*time.Second))
	began := len(l.Times)
	c := r.Start(now.Add(time.Second), call.Options{})
	step := c.Next(now.Add(time.Second))
	require.Equal(t, call.Step{Op: call.Wait, At: now.Add(10 * time.Second)}, step)
	require.Equal(t, step, c.Next(now.Add(2*time.Second)), "asking twice is harmless")
	require.Len(t, l.Times, began, "the budget knows nothing of it")
	require.Equal(t, call.Send, c.Next(step.At).Op)
	c.Done(step.At, 1, call.Outcome{})
	require.Equal(t, call.ReasonSuccess, c.Next(step.At).Reason)
	report := c.Report()
	require.Equal(t, 9*time.Second, report.Waited)
	require.Equal(t, 1, report.Attempts)
	l.Settled(t)
}

func TestPause_ReleaseIsJittered(t *testing.T) {
	for _, u := range []float64{0, 0.5, 0.999} {
		r, _ := sharing(call.Rules{Rand: func() float64 { return u }})
		now := time.Unix(1e9, 0)
		asked(r, now, hinted(8*time.Second))
		now = now.Add(7 * time.Second)
		c := r.Start(now, call.Options{})
		require.Equal(t, time.Second+time.Duration(2e9*u), c.Next(now).At.Sub(now), "a quarter of what was asked for")

		c = r.Start(now, call.Options{Deadline: now.Add(1100 * time.Millisecond)})
		at := c.Next(now).At
		require.True(t, at.Before(now.Add(1100*time.Millisecond)), "clipped to the deadline")
		require.False(t, at.Before(now.Add(time.Second)))
	}
}

func TestPause_EarlierDeadlineStopsAtOnce(t *testing.T) {
	r, l := sharing(call.Rules{})
	now := time.Unix(1e9, 0)
	asked(r, now, hinted(10*time.Second))
	c := r.Start(now, call.Options{Deadline: now.Add(9 * time.Second)})
	require.Equal(t, call.Step{Op: call.Stop, Reason: call.ReasonPaused}, c.Next(now))
	report := c.Report()
	require.Zero(t, report.Attempts)
	require.Equal(t, 10*time.Second, report.After)
	e := call.Error{Reason: report.Reason, After: report.After}
	require.EqualError(t, &e, "evenkeel: paused after 0 attempts")
	require.Equal(t, 10*time.Second, e.RetryAfter())
	l.Settled(t)
}

func TestPause_OnlyEvidenceAboutOtherCalls(t *testing.T) {
	for name, c := range map[string]struct {
		o    call.Outcome
		wait time.Duration
	}{
		"overload":  {call.Outcome{Class: call.Throttled, After: time.Second}, time.Second},
		"a failure": {hinted(time.Second), time.Second},
		"one that is not repeated": {
			call.Outcome{Class: call.Throttled, After: time.Second, Forbidden: call.ReasonNotIdempotent}, time.Second,
		},
		"longer than MaxHint":        {hinted(time.Hour), time.Minute},
		"a refusal of this one":      {call.Outcome{Class: call.Throttled, Alive: true, After: time.Second}, 0},
		"cheaper to ask again":       {hinted(99 * time.Millisecond), 0},
		"no wait":                    {transient, 0},
		"a wait before the epoch":    {hinted(-time.Second), 0},
		"a rejection":                {call.Outcome{Class: call.Rejected, After: time.Second}, 0},
		"a success that asks for it": {call.Outcome{After: time.Second}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := sharing(call.Rules{MaxHint: time.Minute})
			now := time.Unix(1e9, 0)
			asked(r, now, c.o)
			other := r.Start(now, call.Options{})
			step := other.Next(now)
			if c.wait == 0 {
				require.Equal(t, call.Send, step.Op)
				return
			}
			require.Equal(t, call.Step{Op: call.Wait, At: now.Add(c.wait)}, step)
		})
	}
}

func TestPause_KeysAreSeparate(t *testing.T) {
	r, _ := sharing(call.Rules{})
	now := time.Unix(1e9, 0)
	c := r.Start(now, call.Options{PauseKey: "tenant"})
	c.Next(now)
	c.Done(now, 1, hinted(time.Second))
	for key, want := range map[string]call.Op{"tenant": call.Wait, "another": call.Send, "": call.Send} {
		other := r.Start(now, call.Options{PauseKey: key})
		require.Equal(t, want, other.Next(now).Op, key)
	}
}

// A retry and a hedge of another call wait as well, and what the budget gave for them is given
// back if they cannot.
func TestPause_DelaysOtherRetriesAndHedges(t *testing.T) {
	now := time.Unix(1e9, 0)
	t.Run("a retry that is planned", func(t *testing.T) {
		for deadline, want := range map[time.Duration]call.Reason{time.Minute: call.ReasonNone, 5 * time.Second: call.ReasonDeadline} {
			r, l := sharing(call.Rules{})
			c := r.Start(now, call.Options{Deadline: now.Add(deadline)})
			c.Next(now)
			c.Done(now, 1, transient)
			asked(r, now, hinted(10*time.Second))
			at, _, step := follow(&c, now)
			require.Equal(t, want, step.Reason)
			if want == call.ReasonNone {
				require.Equal(t, call.Send, step.Op)
				require.Equal(t, 10*time.Second, at.Sub(now))
				c.Cancel(at, call.ReasonCanceled)
			}
			l.Settled(t)
		}
	})
	t.Run("a retry to be planned", func(t *testing.T) {
		r, l := sharing(call.Rules{})
		c := r.Start(now, call.Options{})
		c.Next(now)
		asked(r, now, hinted(10*time.Second))
		c.Done(now, 1, transient)
		require.Equal(t, now.Add(10*time.Second), c.Next(now).At)
		c.Cancel(now, call.ReasonCanceled)
		l.Settled(t)
	})
	t.Run("a hedge", func(t *testing.T) {
		r, l := sharing(call.Rules{Hedge: timeout.Fixed(time.Second)})
		c := r.Start(now, call.Options{Hedge: true})
		c.Next(now)
		asked(r, now, hinted(10*time.Second))
		at, _, step := follow(&c, now)
		require.Equal(t, budget.Hedge, step.Kind)
		require.Equal(t, 10*time.Second, at.Sub(now))
		c.Cancel(at, call.ReasonCanceled)
		l.Settled(t)
	})
}

// Those that are released first are refused again: the others wait no longer than MaxHint in all.
func TestPause_BoundedDespiteRenewal(t *testing.T) {
	r, _ := sharing(call.Rules{MaxHint: time.Minute})
	start := time.Unix(1e9, 0)
	asked(r, start, hinted(20*time.Second))
	c := r.Start(start, call.Options{})
	now := start
	for {
		step := c.Next(now)
		if step.Op == call.Send {
			break
		}
		now = step.At
		asked(r, now, hinted(20*time.Second))
	}
	require.Equal(t, time.Minute, now.Sub(start))
}

func TestPause_CanceledWhileWaiting(t *testing.T) {
	r, l := sharing(call.Rules{})
	now := time.Unix(1e9, 0)
	asked(r, now, hinted(10*time.Second))
	c := r.Start(now, call.Options{})
	c.Next(now)
	c.Cancel(now.Add(time.Second), call.ReasonCanceled)
	require.Equal(t, call.Step{Op: call.Stop, Reason: call.ReasonCanceled}, c.Next(now.Add(time.Second)))
	require.Equal(t, time.Second, c.Report().Waited)
	l.Settled(t)
}

// Many calls under one pause: no attempt is sent before what some server last asked for, no call
// waits for an attempt longer than MaxHint and its own waits, and every permit ends.
func TestPause_Model(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const most = 50 * time.Second
		r, l := sharing(call.Rules{
			MaxAttempts: 3, MaxHint: most, Backoff: backoff.Constant(time.Second),
			Rand: func() float64 { return rapid.Float64Range(0, 0.999).Draw(t, "u") },
		})
		start := time.Unix(1e9, 0)
		now, until := start, start
		type running struct {
			c     call.Call
			began time.Time
			wake  time.Time
			open  int
		}
		var calls []*running
		for range 60 {
			if len(calls) < 6 {
				x := &running{began: now}
				x.c = r.Start(now, call.Options{})
				calls = append(calls, x)
			}
			x := calls[rapid.IntRange(0, len(calls)-1).Draw(t, "which")]
			if x.open > 0 {
				o := transient
				if rapid.Bool().Draw(t, "hint") {
					o = hinted(time.Duration(rapid.IntRange(1, 40).Draw(t, "asked")) * time.Second)
				}
				x.c.Done(now, x.open, o)
				x.open = 0
				if end := now.Add(o.After); o.After > 0 && end.After(until) {
					until = end
				}
			} else if x.wake.After(now) {
				now = x.wake
			}
			switch step := x.c.Next(now); step.Op {
			case call.Send:
				if now.Before(until) && now.Sub(x.began) < most {
					t.Fatalf("sent %v before the end of a pause, after %v", until.Sub(now), now.Sub(x.began))
				}
				x.open, x.began = step.Attempt, now
			case call.Wait:
				if !step.At.After(now) {
					t.Fatalf("waits until %v at %v", step.At, now)
				}
				x.wake = step.At
			case call.Stop:
				calls = slices.DeleteFunc(calls, func(c *running) bool { return c == x })
			}
		}
		for _, x := range calls {
			x.c.Cancel(now, call.ReasonCanceled)
		}
		l.Settled(t)
	})
}
