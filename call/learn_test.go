package call_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/call"
)

// sample holds what a limit observed of one attempt.
type sample struct {
	took     time.Duration
	answered bool
}

// learner is a limit that records its samples.
type learner struct {
	samples *[]sample
	usual   time.Duration
}

func (l learner) Timeout() time.Duration { return time.Second }
func (l learner) Usual() time.Duration   { return l.usual }
func (l learner) Observe(_ time.Time, took time.Duration, answered bool) {
	*l.samples = append(*l.samples, sample{took, answered})
}

func TestLearn_InFlightAttemptsAreCensored(t *testing.T) {
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
			r := rules(call.Rules{MaxAttempts: 2, Hedge: learner{samples: &samples}})
			now := time.Unix(1e9, 0)
			started := r.Start(now, call.Options{Hedge: true})
			started.Next(now)
			require.Equal(t, call.Send, started.Next(now.Add(time.Second)).Op)
			c.end(&started, now.Add(3*time.Second))
			require.ElementsMatch(t, c.want, samples)
		})
	}
}

func TestUsual_NegativeDoesNotPreventRetries(t *testing.T) {
	now := time.Unix(1e9, 0)
	for name, set := range map[string]func(*call.Rules, learner){
		"of attempts": func(r *call.Rules, l learner) { r.AttemptTimeout = l },
		"of hedges":   func(r *call.Rules, l learner) { r.Hedge = l },
	} {
		for _, usual := range []time.Duration{-1, -time.Hour, math.MinInt64} {
			for _, outcome := range []call.Outcome{transient, hinted(10 * time.Millisecond)} {
				r := rules(call.Rules{Backoff: backoff.Constant(10 * time.Millisecond)})
				set(r, learner{samples: new([]sample), usual: usual})
				c := r.Start(now, call.Options{Deadline: now.Add(time.Second)})
				c.Next(now)
				c.Done(now, 1, outcome)
				at, _, step := follow(&c, now)
				require.Equal(t, call.Send, step.Op, "%s: %v", name, usual)
				require.GreaterOrEqual(t, at.Sub(now), 10*time.Millisecond)
				require.LessOrEqual(t, at.Sub(now), 13*time.Millisecond)
			}
		}
	}
}
