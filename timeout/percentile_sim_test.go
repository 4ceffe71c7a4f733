//go:build !race

// One goroutine simulates hours here: the race detector would find nothing and take fifty times as
// long.

package timeout_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/timeout"
)

type latency = func(time.Duration, *rand.Rand) time.Duration

// The rate asked for is the rate of attempts given up, within a factor of two, although the limit
// sees only what it let through: at the rate of traffic at which a window holds hardly more than
// the least it works with, and at ten times that.
func TestPercentile_FalseTimeoutsWithinFactorOfTwo(t *testing.T) {
	if testing.Short() {
		t.Skip("28 hours of virtual time take some seconds")
	}
	for name, latency := range map[string]latency{
		"lognormal":                lognormal(20*time.Millisecond, 0.5),
		"lognormal, heavy":         lognormal(20*time.Millisecond, 1),
		"lognormal, narrow":        lognormal(20*time.Millisecond, 0.25),
		"stragglers":               stragglers(),
		"two modes":                twoModes(),
		"drifting in half an hour": drifting(30 * time.Minute),
		"drifting in ten minutes":  drifting(10 * time.Minute),
	} {
		for _, rate := range []float64{0.001, 0.01} {
			for _, perSecond := range []float64{0.02 / rate, 0.2 / rate} {
				warm := time.Duration(1.2 / rate / perSecond * float64(time.Second))
				var sent, falsely int
				for seed := range uint64(2) {
					got := simulate(learner(timeout.Percentile{Rate: rate}), service{perSecond, latency},
						warm, warm+30*time.Minute, seed)
					sent, falsely = sent+got.sent, falsely+got.falsely
				}
				ratio := float64(falsely) / float64(sent) / rate
				t.Logf("%-24s rate %-5v %3v calls/s: %4d of %6d, %.2f times the rate",
					name, rate, perSecond, falsely, sent, ratio)
				require.Greater(t, ratio, 0.5, "%s: rate %v, %v calls/s", name, rate, perSecond)
				require.Less(t, ratio, 2.0, "%s: rate %v, %v calls/s", name, rate, perSecond)
			}
		}
	}
}

// naive counts an attempt that was given up as answered at that time.
type naive struct{ timeout.Learner }

func (n naive) Observe(now time.Time, took time.Duration, _ bool) { n.Learner.Observe(now, took, true) }

// What is cut off at the limit, and counted as if it had been answered there, cannot show that the
// limit is too short: it stays where the latency was before.
func TestPercentile_CountingCensoredAsAnsweredFails(t *testing.T) {
	slow := slowed(lognormal(20*time.Millisecond, 0.1), 10)
	share := func(l timeout.Learner) float64 {
		got := simulate(l, service{200, slow}, 5*time.Minute, 7*time.Minute, 1)
		return float64(got.falsely) / float64(got.sent)
	}
	require.Greater(t, share(naive{learner(timeout.Percentile{})}), 0.1)
	require.Less(t, share(learner(timeout.Percentile{})), 0.01)
}

// slowed returns latencies times as long from minute 5 to minute 7.
func slowed(base latency, times float64) latency {
	return func(at time.Duration, r *rand.Rand) time.Duration {
		d := base(at, r)
		if at >= 5*time.Minute && at < 7*time.Minute {
			d = time.Duration(float64(d) * times)
		}
		return d
	}
}

func seconds(s int) time.Duration { return time.Duration(s) * time.Second }

func TestPercentile_SlowdownNeitherCollapsesNorRunsAway(t *testing.T) {
	for name, c := range map[string]struct {
		sigma, tail float64 // of the latency; how many medians its 99.9th percentile is
	}{
		"narrow": {0.1, 1.36}, // every attempt of the slow service exceeds the limit of the fast one
		"usual":  {0.5, 4.69},
		"heavy":  {1, 21.98},
	} {
		t.Run(name, func(t *testing.T) {
			const median = 20 * time.Millisecond
			tail := max(c.tail, 1.5) * median.Seconds()
			l := learner(timeout.Percentile{})
			got := simulate(l, service{200, slowed(lognormal(median, c.sigma), 10)}, 5*time.Minute, 12*time.Minute, 1)

			for s := 60; s < 12*60; s++ { // the limit is never far below what the fast service needs ...
				require.Greater(t, got.limits[s].Seconds(), 0.5*tail, "at %ds", s)
			}
			for s := 60; s < 5*60; s++ {
				require.Less(t, got.limits[s].Seconds(), 3*tail, "at %ds", s)
			}
			for s := 5 * 60; s < 12*60; s++ { // ... nor far above what the slow one needs
				require.Less(t, got.limits[s].Seconds(), 3*10*tail, "at %ds", s)
			}
			for s := 5*60 + 75; s < 7*60; s++ { // a window later it is what the slow one needs
				require.Greater(t, got.limits[s].Seconds(), 0.5*10*tail, "at %ds", s)
				require.InEpsilon(t, 10*median.Seconds(), got.usual[s].Seconds(), 0.1)
			}
			for s := 7*60 + 90; s < 12*60; s++ { // and a window after the end what the fast one needs
				require.Less(t, got.limits[s].Seconds(), 3*tail, "at %ds", s)
				require.InEpsilon(t, median.Seconds(), got.usual[s].Seconds(), 0.1)
			}
			// The change cost few attempts: 84,000 were sent, 24,000 of them to the slow service.
			t.Logf("%d of %d given up", got.falsely, got.sent)
			require.Less(t, got.falsely, 84_000/200)
		})
	}
}

// Two minutes in which nothing is answered raise the limit, and only so fast.
func TestPercentile_HangingServerRaisesLimitSlowly(t *testing.T) {
	l := learner(timeout.Percentile{})
	hangs := slowed(lognormal(20*time.Millisecond, 0.5), 1e6)
	got := simulate(l, service{200, hangs}, 5*time.Minute, 15*time.Minute, 1)
	before := got.limits[5*60-1]

	for s := range got.limits[:len(got.limits)-60] {
		for d := range 60 {
			require.LessOrEqual(t, got.limits[s+d], 16*got.limits[s], "from %ds to %ds", s, s+d)
		}
	}
	for s := 5 * 60; s < 7*60; s++ { // what was known is not forgotten for want of answers
		require.GreaterOrEqual(t, got.limits[s], before/2, "at %ds", s)
	}
	require.Less(t, got.limits[5*60+59], 20*before)
	for s := 9*60 + 30; s < len(got.limits); s++ { // the last attempts of the outage take 30 s to be given up
		require.Less(t, got.limits[s], 2*before, "at %ds", s)
	}
}

// In an outage t long the limit is at most twice what it was and t: it doubles only what an
// attempt has been given.
func TestPercentile_AtMostTwiceWhatWasTried(t *testing.T) {
	l := learner(timeout.Percentile{Growth: 1000})
	hangs := slowed(lognormal(20*time.Millisecond, 0.5), 1e6)
	got := simulate(l, service{200, hangs}, 5*time.Minute, 7*time.Minute, 1)
	before := got.limits[5*60-1]
	for s := 5 * 60; s < 7*60; s++ {
		require.LessOrEqual(t, got.limits[s], 2*(before+seconds(s-5*60+1)), "at %ds", s)
	}
	require.Greater(t, got.limits[5*60+20], 10*time.Second, "it does follow")
}

// A hedge delay censors nothing: it is told of every attempt's true latency.
func TestPercentile_AsHedgeDelayHedgesItsShare(t *testing.T) {
	r, all := rand.New(rand.NewPCG(1, 1)), stragglers()
	l := learner(timeout.Percentile{Rate: 0.05})
	hedged, sent := 0, 0
	for at := time.Duration(0); at < 10*time.Minute; at += 5 * time.Millisecond {
		took := all(at, r)
		if at > time.Second {
			sent++
			if took > l.Timeout() {
				hedged++
			}
		}
		l.Observe(epoch.Add(at), took, true)
	}
	require.InEpsilon(t, 0.05, float64(hedged)/float64(sent), 0.1)
}
