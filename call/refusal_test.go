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

var (
	refusal = call.Outcome{Class: call.Rejected, Alive: true}
	shadow  = call.Outcome{Class: call.Rejected, Alive: true, Shadow: true}
	ours    = call.Outcome{Class: call.Rejected}
)

// racing returns a call with a first attempt and a hedge under way.
func racing(t *testing.T, l *testkit.Ledger) (c call.Call, now time.Time) {
	now = time.Unix(0, 0)
	c = rules(call.Rules{MaxAttempts: 5, Budget: l, Hedge: timeout.Fixed(time.Second)}).Start(now, call.Options{Hedge: true})
	c.Next(now)
	now = now.Add(time.Second)
	require.Equal(t, budget.Hedge, c.Next(now).Kind)
	return c, now
}

func TestRefusal_OnlyApplicationsBeatsAttemptInFlight(t *testing.T) {
	for name, c := range map[string]struct {
		of   int // the attempt that is refused
		o    call.Outcome
		ends bool
	}{
		"a hedge's refusal":                         {2, refusal, true},
		"a hedge's refusal that may be a shadow":    {2, shadow, false},
		"a hedge that failed on our side":           {2, ours, false},
		"the first attempt's refusal":               {1, refusal, true},
		"the first attempt has nothing before it":   {1, shadow, true},
		"the first attempt failed on our side":      {1, ours, false},
		"a hedge's \"do not retry\"":                {2, call.Outcome{Class: call.Rejected, Alive: true, Forbidden: call.ReasonNoRetry}, true},
		"a shadow's \"do not retry\"":               {2, call.Outcome{Class: call.Rejected, Alive: true, Shadow: true, Forbidden: call.ReasonNoRetry}, false},
		"a hedge that was not sent, and may repeat": {2, call.Outcome{Class: call.Rejected, Shadow: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := testkit.NewLedger()
			machine, now := racing(t, l)
			machine.Done(now, c.of, c.o)
			step := machine.Next(now.Add(time.Hour))
			if c.ends {
				require.Equal(t, call.Stop, step.Op)
				require.Equal(t, c.of, step.Attempt)
				return
			}
			require.Equal(t, call.Step{Op: call.Wait}, step, "no other attempt is sent either")
			machine.Done(now, 3-c.of, call.Outcome{})
			require.Equal(t, call.Step{Op: call.Stop, Attempt: 3 - c.of, Reason: call.ReasonSuccess}, machine.Next(now))
			require.False(t, machine.Report().Shadow)
			l.Settled(t)
		})
	}
}

func TestRefusal_PossibleShadowIsLastResort(t *testing.T) {
	for name, c := range map[string]struct {
		second, first call.Outcome
		answer        int
		shadow        bool
		reason        call.Reason
	}{
		"the other fails":               {shadow, transient, 2, true, call.ReasonRejected},
		"the other was never sent":      {shadow, call.Outcome{Class: call.Unprocessed}, 2, false, call.ReasonRejected},
		"the other is refused":          {shadow, refusal, 1, false, call.ReasonRejected},
		"the other fails on our side":   {shadow, ours, 2, false, call.ReasonRejected},
		"ours first, then a failure":    {ours, transient, 1, false, call.ReasonRejected},
		"ours first, then the server's": {ours, refusal, 1, false, call.ReasonRejected},
	} {
		t.Run(name, func(t *testing.T) {
			l := testkit.NewLedger()
			machine, now := racing(t, l)
			machine.Done(now, 2, c.second)
			machine.Done(now, 1, c.first)
			require.Equal(t, call.Step{Op: call.Stop, Attempt: c.answer, Reason: c.reason}, machine.Next(now))
			require.Equal(t, c.shadow, machine.Report().Shadow)
			l.Settled(t)
		})
	}
}

func TestRefusal_ResendMayMeetItsShadow(t *testing.T) {
	for class, want := range map[call.Class]bool{
		call.Transient: true, call.Timeout: true, call.Throttled: true, call.Unprocessed: false,
	} {
		now := time.Unix(0, 0)
		c := rules(call.Rules{}).Start(now, call.Options{})
		c.Next(now)
		c.Done(now, 1, call.Outcome{Class: class})
		now, _, _ = follow(&c, now)
		c.Done(now, 2, shadow)
		require.Equal(t, call.Step{Op: call.Stop, Attempt: 2, Reason: call.ReasonRejected}, c.Next(now))
		require.Equal(t, want, c.Report().Shadow, class)
	}
}
