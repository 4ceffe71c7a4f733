package call_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/call"
)

// sample holds what a limit observed of one attempt.
type sample struct {
	took     time.Duration
	answered bool
}

// learner is a limit that records its samples.
type learner struct{ samples *[]sample }

func (l learner) Timeout() time.Duration { return time.Second }
func (l learner) Usual() time.Duration   { return 0 }
func (l learner) Observe(_ time.Time, took time.Duration, answered bool) {
	*l.samples = append(*l.samples, sample{took, answered})
}

func TestLearn_AttemptsStillUnderWayAreCensoredSamples(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(c *call.Call, now time.Time)
		want []sample
	}{
		"the hedge won": {
			func(c *call.Call, now time.Time) { c.Done(now, 2, call.Outcome{}) },
			[]sample{{2 * time.Second, true}, {3 * time.Second, false}},
		},
		"the caller gave up": {
			func(c *call.Call, now time.Time) { c.Cancel(now, call.ReasonCanceled) },
			[]sample{{3 * time.Second, false}, {2 * time.Second, false}},
		},
		"a failure between": {
			func(c *call.Call, now time.Time) {
				c.Done(now, 2, transient)
				c.Cancel(now, call.ReasonDeadline)
			},
			[]sample{{3 * time.Second, false}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var samples []sample
			r := rules(call.Rules{MaxAttempts: 2, Hedge: learner{&samples}})
			now := time.Unix(1e9, 0)
			started := r.Start(now, call.Options{Hedge: true})
			started.Next(now)
			require.Equal(t, call.Send, started.Next(now.Add(time.Second)).Op)
			c.end(&started, now.Add(3*time.Second))
			require.ElementsMatch(t, c.want, samples)
		})
	}
}
