package fleet_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

const always = time.Hour

// unlimited retries at once, n attempts in all.
func unlimited(n int) retry.Config {
	return retry.Config{MaxAttempts: n, Backoff: backoff.None(), ThrottledBackoff: backoff.None(), Budget: budget.Unlimited{}}
}

func run(t testing.TB, policy retry.Config, s fleet.Scenario) *fleet.Result {
	t.Helper()
	r, err := fleet.Run(policy, s)
	require.NoError(t, err)
	return r
}

func TestLoad_ArrivesAtRate(t *testing.T) {
	for name, load := range map[string]fleet.Load{
		"poisson":  {Rate: 1000},
		"periodic": {Rate: 1000, Periodic: true},
		"bursty":   {Rate: 1000, Burst: 20},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, retry.Config{}, fleet.Scenario{Clients: 10, Load: load, Duration: 100 * time.Second})
			require.InEpsilon(t, 100_000, r.Calls, .02)
			require.Equal(t, r.Calls, r.Succeeded)
			require.Equal(t, r.Calls, r.Attempts)
		})
	}
}

func TestLoad_FollowsFaults(t *testing.T) {
	for _, periodic := range []bool{false, true} {
		r := run(t, retry.Config{}, fleet.Scenario{
			Clients: 50, Load: fleet.Load{Rate: 1000, Periodic: periodic}, Duration: 60 * time.Second,
			Faults: []fleet.Fault{
				{From: 20 * time.Second, To: 40 * time.Second, Load: 3},
				{From: 30 * time.Second, To: 40 * time.Second, Load: .5},
			},
		})
		require.InEpsilon(t, 20_000, r.Between(0, 20*time.Second).Calls, .03)
		require.InEpsilon(t, 30_000, r.Between(20*time.Second, 30*time.Second).Calls, .03)
		require.InEpsilon(t, 15_000, r.Between(30*time.Second, 40*time.Second).Calls, .03)
		require.InEpsilon(t, 20_000, r.Between(40*time.Second, always).Calls, .03)
	}
}

func TestOutage_CostsEveryAttempt(t *testing.T) {
	r := run(t, unlimited(4), fleet.Scenario{
		Clients: 10, Load: fleet.Load{Rate: 100}, Duration: 10 * time.Second,
		Faults: []fleet.Fault{{To: always, Fail: 1}},
	})
	require.Equal(t, 4*r.Calls, r.Attempts)
	require.Zero(t, r.Succeeded)
	require.Equal(t, r.Calls, r.Lost())
	require.Equal(t, 4.0, r.Load())
}

func TestLayers_Multiply(t *testing.T) {
	for attempts, leaf := range map[int]int{2: 32, 3: 243, 4: 1024} {
		r := run(t, unlimited(attempts), fleet.Scenario{
			Load: fleet.Load{Rate: 10}, Duration: 5 * time.Second, Network: fleet.Constant(time.Millisecond),
			Faults: []fleet.Fault{{To: always, Fail: 1}}, Services: make([]fleet.Service, 4),
		})
		require.Equal(t, leaf*r.Calls, r.Attempts)
	}
}

func TestLayers_NoRetryDoesNotMultiply(t *testing.T) {
	tell := fleet.Service{Tell: true}
	s := fleet.Scenario{
		Load: fleet.Load{Rate: 10}, Duration: 5 * time.Second,
		Faults: []fleet.Fault{{To: always, Fail: 1}}, Services: []fleet.Service{tell, tell, tell, tell},
	}
	r := run(t, unlimited(3), s)
	require.Equal(t, 3*r.Calls, r.Attempts)

	// A service that sends once has nothing to tell: its caller may retry.
	once := unlimited(1)
	for i := range s.Services {
		s.Services[i].Policy = &once
	}
	r = run(t, unlimited(3), s)
	require.Equal(t, 3*r.Calls, r.Attempts)
}

func TestScenario_NamesServiceOfBadPolicy(t *testing.T) {
	bad := retry.Config{MaxAttempts: -7}
	_, err := fleet.Run(retry.Config{}, fleet.Scenario{
		Load: fleet.Load{Rate: 1}, Services: []fleet.Service{{}, {Policy: &bad}},
	})
	require.ErrorContains(t, err, "Services[1].Policy")
	_, err = fleet.Run(bad, fleet.Scenario{Load: fleet.Load{Rate: 1}})
	require.ErrorContains(t, err, "MaxAttempts")
}

func TestServer_WorksAtRate(t *testing.T) {
	r := run(t, retry.Config{MaxAttempts: 1}, fleet.Scenario{
		Load: fleet.Load{Rate: 400}, Server: fleet.Server{Rate: 100}, Duration: 10 * time.Second, Drain: time.Minute,
	})
	for second := range 30 {
		at := time.Duration(second+1) * time.Second
		require.InDelta(t, 100, r.Between(at, at+time.Second).Good, 1)
	}
	require.Equal(t, r.Calls, r.Succeeded)
}

func TestServer_ResumesAfterCut(t *testing.T) {
	r := run(t, retry.Config{MaxAttempts: 1}, fleet.Scenario{
		Load: fleet.Load{Rate: 100}, Server: fleet.Server{Rate: 1000}, Duration: 20 * time.Second,
		Faults: []fleet.Fault{
			{From: 5 * time.Second, To: 10 * time.Second, Cut: 1},
			{From: 10 * time.Second, To: 15 * time.Second, Cut: .95},
		},
	})
	require.Zero(t, r.Between(5*time.Second, 10*time.Second).Good)
	require.InDelta(t, 250, r.Between(10*time.Second, 15*time.Second).Good, 1)
	require.InDelta(t, 500+500-250+100, r.Between(15*time.Second, 16*time.Second).Good, 50)
	require.Equal(t, r.Calls, r.Succeeded)
}

func TestServer_WorksForCanceledCallers(t *testing.T) {
	s := fleet.Scenario{
		Clients: 10, Load: fleet.Load{Rate: 400}, Server: fleet.Server{Rate: 200}, Duration: 30 * time.Second,
	}
	policy := retry.Config{MaxAttempts: 1, AttemptTimeout: timeout.Fixed(time.Second)}
	executes := run(t, policy, s)
	good := executes.Between(10*time.Second, 30*time.Second).Good
	require.Zero(t, good, "all work is in vain once the queue is a second long")
	s.Server.Drops = true
	drops := run(t, policy, s)
	require.InDelta(t, 4000, drops.Between(10*time.Second, 30*time.Second).Good, 20, "all work is of use")
}

func TestServer_FullQueueThrottles(t *testing.T) {
	r := run(t, retry.Config{MaxAttempts: 1}, fleet.Scenario{
		Load: fleet.Load{Rate: 400}, Server: fleet.Server{Rate: 200, Queue: 10}, Duration: 30 * time.Second,
	})
	require.InEpsilon(t, .5, r.Success(), .03)
}

func TestServer_LatencyAndSlowdown(t *testing.T) {
	// Latency 1 s + 10 ms * concurrency at 40 calls/s: concurrency c = 40 * (1 + .01 c) = 66.7, so
	// 1.67 s.
	s := fleet.Scenario{
		Load: fleet.Load{Rate: 40}, Duration: 200 * time.Second,
		Server: fleet.Server{Latency: fleet.Constant(time.Second), Slowdown: 10 * time.Millisecond},
	}
	for limit, success := range map[time.Duration]float64{1200 * time.Millisecond: 0, 2500 * time.Millisecond: 1} {
		r := run(t, retry.Config{MaxAttempts: 1, AttemptTimeout: timeout.Fixed(limit)}, s)
		require.InDelta(t, success, r.Between(20*time.Second, always).Success(), .05)
	}
}

func TestSilence_EndsWithTimeoutOrDeadline(t *testing.T) {
	s := fleet.Scenario{
		Load: fleet.Load{Rate: 100}, Duration: 10 * time.Second, Faults: []fleet.Fault{{To: always, Hang: 1}},
	}
	policy := unlimited(3)
	r := run(t, policy, s)
	require.Zero(t, r.Between(0, always).Bad, "nobody ever gives up")
	require.Equal(t, r.Calls, r.Lost())

	policy.AttemptTimeout = timeout.Fixed(2 * time.Second)
	r = run(t, policy, s)
	require.Equal(t, 3*r.Calls, r.Attempts)
	require.Zero(t, r.Between(0, 6*time.Second).Bad)
	require.Equal(t, r.Calls, r.Between(6*time.Second, always).Bad)

	s.Deadline = 3 * time.Second
	r = run(t, policy, s)
	require.Equal(t, 2*r.Calls, r.Attempts, "the third would begin after the deadline")
	require.Equal(t, r.Calls, r.Between(3*time.Second, 14*time.Second).Bad)
}

func TestDeadline_Propagates(t *testing.T) {
	// The service's own second attempt would come after the client's deadline.
	service := unlimited(5)
	service.AttemptTimeout = timeout.Fixed(700 * time.Millisecond)
	r := run(t, unlimited(1), fleet.Scenario{
		Load: fleet.Load{Rate: 100}, Duration: 10 * time.Second, Deadline: time.Second,
		Faults: []fleet.Fault{{To: always, Hang: 1}}, Services: []fleet.Service{{Policy: &service}},
	})
	require.Equal(t, 2*r.Calls, r.Attempts)
}

func TestHedge_Races(t *testing.T) {
	s := fleet.Scenario{
		Load: fleet.Load{Rate: 200}, Duration: 20 * time.Second,
		Server: fleet.Server{Latency: fleet.Stragglers(fleet.Constant(10*time.Millisecond), .1, 100)},
	}
	policy := retry.Config{Hedge: timeout.Fixed(50 * time.Millisecond), Budget: budget.Unlimited{}, MaxAttempts: 2}
	r := run(t, policy, s)
	require.InEpsilon(t, 1.1, r.Load(), .02)
	require.Equal(t, r.Calls, r.Succeeded)
}

func TestClient_RestartHasNewBudget(t *testing.T) {
	s := fleet.Scenario{
		Clients: 100, Load: fleet.Load{Rate: 100}, Duration: 60 * time.Second, Faults: []fleet.Fault{{To: always, Fail: 1}},
	}
	policy := retry.Config{Backoff: backoff.None(), Budget: budget.TokenBucket{OnSuccess: true}}
	before := run(t, policy, s)
	require.Equal(t, 400, before.Attempts-before.Calls, "four retries per client, of five tokens")
	s.Faults = append(s.Faults, fleet.Fault{From: 30 * time.Second, To: 40 * time.Second, Restart: true})
	after := run(t, policy, s)
	require.InDelta(t, 800, after.Attempts-after.Calls, 20)
}

func TestClient_OwnBudgetAndLatency(t *testing.T) {
	policy := retry.Config{
		Backoff: backoff.None(), Budget: budget.TokenBucket{OnSuccess: true},
		AttemptTimeout: timeout.Percentile{},
	}
	for _, clients := range []int{1, 7, 50} {
		r := run(t, policy, fleet.Scenario{
			Clients: clients, Load: fleet.Load{Rate: 500}, Duration: 20 * time.Second, Faults: []fleet.Fault{{To: always, Fail: 1}},
		})
		require.Equal(t, 4*clients, r.Attempts-r.Calls)
	}
}

func TestGate_RefusesFirstAttempts(t *testing.T) {
	r := run(t, retry.Config{MaxAttempts: 1, Budget: budget.ClientThrottle{}}, fleet.Scenario{
		Load: fleet.Load{Rate: 100}, Duration: 60 * time.Second, Faults: []fleet.Fault{{To: always, Throttle: 1}},
	})
	require.Less(t, r.Load(), .1)
}

// The same seed gives the same run whatever else goes on; another seed another.
func TestRun_Deterministic(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := fleet.Scenario{
			Clients: rapid.IntRange(1, 50).Draw(rt, "clients"),
			Load:    fleet.Load{Rate: 200, Periodic: rapid.Bool().Draw(rt, "periodic")},
			Network: fleet.Exponential(10 * time.Millisecond),
			Server: fleet.Server{
				Rate:  rapid.SampledFrom([]float64{0, 150, 300}).Draw(rt, "rate"),
				Drops: rapid.Bool().Draw(rt, "drops"),
			},
			Faults:   []fleet.Fault{{From: time.Second, To: 3 * time.Second, Fail: .3, Cut: .5}},
			Services: make([]fleet.Service, rapid.IntRange(0, 2).Draw(rt, "services")),
			Duration: 5 * time.Second,
			Seed:     rapid.Uint64().Draw(rt, "seed"),
		}
		policy := retry.Config{AttemptTimeout: timeout.Fixed(time.Second)}
		var (
			same [2]*fleet.Result
			all  sync.WaitGroup
		)
		for i := range same {
			all.Go(func() { same[i], _ = fleet.Run(policy, s) })
		}
		all.Wait()
		require.NotNil(rt, same[0])
		require.Equal(rt, same[0], same[1])
		s.Seed++
		require.NotEqual(rt, same[0].Series, run(t, policy, s).Series)
	})
}

// Whatever happens, every call and every attempt is counted once.
func TestRun_CountsEverythingOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		share := rapid.SampledFrom([]float64{0, 0, .2, 1})
		s := fleet.Scenario{
			Clients:  rapid.IntRange(1, 20).Draw(rt, "clients"),
			Load:     fleet.Load{Rate: 100, Burst: rapid.IntRange(0, 5).Draw(rt, "burst")},
			Network:  fleet.Uniform(0, 20*time.Millisecond),
			Deadline: rapid.SampledFrom([]time.Duration{0, 500 * time.Millisecond, 5 * time.Second}).Draw(rt, "deadline"),
			Server: fleet.Server{
				Rate: rapid.SampledFrom([]float64{0, 80, 300}).Draw(rt, "rate"), Drops: rapid.Bool().Draw(rt, "drops"),
				Queue: rapid.SampledFrom([]int{0, 5}).Draw(rt, "queue"),
			},
			Faults: []fleet.Fault{{
				From: time.Second, To: 3 * time.Second, Fail: share.Draw(rt, "fail"), Hang: share.Draw(rt, "hang"),
				Throttle: share.Draw(rt, "throttle"), Cut: share.Draw(rt, "cut"), Restart: rapid.Bool().Draw(rt, "restart"),
			}},
			Services: make([]fleet.Service, rapid.IntRange(0, 2).Draw(rt, "services")),
			Duration: 5 * time.Second,
		}
		policy := unlimited(rapid.IntRange(1, 3).Draw(rt, "attempts"))
		policy.AttemptTimeout = timeout.Fixed(time.Second)
		r := run(t, policy, s)
		sum := r.Between(0, always)
		require.Equal(rt, r.Tally, sum.Tally)
		require.Equal(rt, r.Calls, sum.Good+sum.Bad, "every call ended once: each attempt has a timeout")
		require.Equal(rt, r.Succeeded, sum.Good)
		require.Equal(rt, r.Attempts, sum.Sent)
		most := r.Calls
		for range 1 + len(s.Services) {
			most *= policy.MaxAttempts
		}
		require.LessOrEqual(rt, r.Attempts, most)
	})
}

func TestScenario_NamesEveryMistake(t *testing.T) {
	_, err := fleet.Run(retry.Config{}, fleet.Scenario{
		Clients: -1, Load: fleet.Load{Burst: -1}, Deadline: -1, Server: fleet.Server{Rate: -1, Queue: -1},
		Faults:   []fleet.Fault{{}, {From: 2, To: 1, Fail: 2, Throttle: -1, Hang: 3, Cut: 4, Slow: -1, Load: -1}},
		Services: []fleet.Service{{Instances: -1}}, Survival: fleet.Survival{Recovery: -1, Load: -1, Lost: -1},
	})
	for _, field := range []string{
		"Clients", "Load.Rate", "Load.Burst", "Deadline", "Server.Rate", "Server.Queue", "Services[0].Instances",
		"Faults[1].To", "Faults[1].Fail", "Faults[1].Throttle", "Faults[1].Hang", "Faults[1].Cut", "Faults[1].Slow",
		"Faults[1].Load", "Survival.Recovery", "Survival.Load", "Survival.Lost",
	} {
		require.ErrorContains(t, err, field)
	}
}

func TestDelays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	mean := func(d fleet.Delay) float64 {
		sum := 0.0
		for range 200_000 {
			sum += d.Sample(r).Seconds()
		}
		return sum / 200_000
	}
	const s = time.Second
	for name, c := range map[string]struct {
		delay fleet.Delay
		mean  float64
	}{
		"constant":    {fleet.Constant(s), 1},
		"exponential": {fleet.Exponential(2 * s), 2},
		"uniform":     {fleet.Uniform(s, 2*s), 1.5},
		"lognormal":   {fleet.Lognormal(5*s, 2*s), 5},
		"stragglers":  {fleet.Stragglers(fleet.Constant(s), .05, 10), 1.45},
		"own":         {fleet.DelayFunc(func(*rand.Rand) time.Duration { return 3 * s }), 3},
	} {
		t.Run(name, func(t *testing.T) { require.InEpsilon(t, c.mean, mean(c.delay), .02) })
	}
}

func TestResult_RecoveredAndPeak(t *testing.T) {
	series := make([]fleet.Point, 600)
	for i := range series {
		series[i] = fleet.Point{Tally: fleet.Tally{Calls: 10}, Sent: 10, Good: 10}
	}
	for i := 200; i < 255; i++ {
		series[i].Good, series[i].Bad, series[i].Sent = 0, 10, 25
	}
	r := fleet.Result{Series: series, Bin: 100 * time.Millisecond}
	after, ok := r.Recovered(20*time.Second, time.Minute)
	require.True(t, ok)
	require.Equal(t, 5500*time.Millisecond, after)
	_, ok = r.Recovered(20*time.Second, 35*time.Second)
	require.False(t, ok, "ten seconds of goodput do not fit")
	require.Equal(t, 2.5, r.Peak(20*time.Second, time.Minute))
	require.Equal(t, 1.0, r.Peak(30*time.Second, time.Minute))
	require.Equal(t, 550, r.Missing(20*time.Second, 30*time.Second))

	for i := 300; i < 600; i++ { // what ends is fine, but half of the calls never do
		series[i].Good = 5
	}
	_, ok = r.Recovered(20*time.Second, time.Minute)
	require.False(t, ok)
}
