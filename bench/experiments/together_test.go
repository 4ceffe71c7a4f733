package experiments

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// A server that slows down makes every call look like one to hedge: the hedges must not keep it
// from recovering.
func TestTogether_HedgesDoNotOverloadSlowServer(t *testing.T) {
	for _, clients := range []int{1, 100} {
		s := fleet.Scenario{
			Clients:  clients,
			Load:     fleet.Load{Rate: 280},
			Deadline: 2 * time.Second,
			Server:   fleet.Server{Rate: 300},
			Faults:   []fleet.Fault{{From: 20 * time.Second, To: 30 * time.Second, Cut: .7}},
			Duration: 5 * time.Minute,
			Seed:     1,
		}
		plain, err := fleet.Run(retry.Config{MaxAttempts: 1}, s)
		require.NoError(t, err)
		hedged, err := fleet.Run(retry.Config{Hedge: timeout.Fixed(100 * time.Millisecond)}, s)
		require.NoError(t, err)
		before, ok := plain.Recovered(20*time.Second, s.Duration)
		require.True(t, ok)
		after, ok := hedged.Recovered(20*time.Second, s.Duration)
		require.True(t, ok)
		t.Logf("%d clients: back after %v, hedged %v; load %.3f", clients, before, after,
			hedged.Between(20*time.Second, 40*time.Second).Load())
		require.LessOrEqual(t, after, before+before/4+5*time.Second)
		require.LessOrEqual(t, hedged.Between(20*time.Second, 40*time.Second).Load(), 1.1)
	}
}

func TestTogether_Deterministic(t *testing.T) {
	c := burstRows()[0].crowd
	c.seconds = 20
	one, two := gather(policyNamed("evenkeel").Config, c, 7), gather(policyNamed("evenkeel").Config, c, 7)
	require.Equal(t, one, two)
	require.Positive(t, one.requests)
}

func TestTogether_SavesCutConnection(t *testing.T) {
	c := crowd{clients: 1, rate: 50, slow: 1, cuts: 1.7, cutOnce: true, seconds: 10}
	got := gather(policyNamed("evenkeel").Config, c, 1)
	require.Greater(t, got.hit, 30)
	require.Equal(t, got.hit, got.saved)
	none := gather(policyNamed("none").Config, c, 1)
	require.Zero(t, none.saved)
}

// deaf is a limit that is told what attempts take, and learns nothing: calls under it begin with
// a call.Call.
type deaf struct{ timeout.Fixed }

func (d deaf) New() timeout.Limit { return d }

func (d deaf) Timeout() time.Duration { return time.Duration(d.Fixed) }

func (deaf) Observe(time.Time, time.Duration, bool) {}

func (deaf) Usual() time.Duration { return 0 }

// A first attempt outside its call.Call, as the drivers make it, must change no figure.
func TestTogether_FirstAttemptOutsideChangesNothing(t *testing.T) {
	for _, r := range crowdRows() {
		if r.crowd.clients > 100 || r.group == 7 {
			continue
		}
		r.crowd.seconds, r.crowd.from, r.crowd.to = min(r.crowd.seconds, 35), 0, 0
		r.crowd.rate = min(r.crowd.rate, 300)
		cfg := policyNamed("grpc").attempts(3).Config
		cfg.Backoff, cfg.ThrottledBackoff = defaultWaits, defaultWaits
		outside := gather(cfg, r.crowd, 5)
		cfg.AttemptTimeout = deaf{timeout.Fixed(r.crowd.timeout * 1e9)}
		require.True(t, reflect.DeepEqual(outside, gather(cfg, r.crowd, 5)), r.name)
	}
}

func TestTogether_EventsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &crowdSim{}
		now, pushed, popped := crowdEvent{}, 0, 0
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "push") {
				k := crowdKind(rapid.IntRange(0, int(crowdDeadline)).Draw(t, "kind"))
				s.at(timeOf(&now)+float64(rapid.IntRange(0, 5).Draw(t, "in")), k, 0, 0)
				pushed++
			} else if e, ok := s.queue.pop(); ok {
				require.True(t, now.Before(&e))
				now = e
				popped++
			}
		}
		for _, ok := s.queue.pop(); ok; _, ok = s.queue.pop() {
			popped++
		}
		require.Equal(t, pushed, popped)
	})
}
