package budget_test

import (
	"container/heap"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/budget"
)

// strangers is a model of clients that make one call each and remember nothing: each call is sent
// at most three times, at once, to a server taken at random, for as long as the servers do not say
// "do not retry".
type strangers struct {
	servers  int
	rate     float64                 // calls a second in all
	latency  float64                 // of a success; a failure takes none
	hang     float64                 // of a failure, if set
	fail     func(t float64) float64 // probability that an attempt which arrives at t fails
	seconds  float64
	from, to float64 // what is counted: calls that begin between
	seed     uint64
}

type visit struct {
	at      float64
	arrives bool
	attempt int
	server  int
	request int64
	failed  bool
	counted bool
}

type visits []visit

func (v visits) Len() int           { return len(v) }
func (v visits) Less(i, j int) bool { return v[i].at < v[j].at }
func (v visits) Swap(i, j int)      { v[i], v[j] = v[j], v[i] }
func (v *visits) Push(x any)        { *v = append(*v, x.(visit)) }
func (v *visits) Pop() any {
	last := (*v)[len(*v)-1]
	*v = (*v)[:len(*v)-1]
	return last
}

func (m strangers) run() (t tally) {
	rng := rand.New(rand.NewPCG(m.seed, 7))
	servers := make([]*budget.Answers, m.servers)
	for i := range servers {
		servers[i] = budget.Fleet{}.New()
	}
	var due visits
	arrive := func(at float64, attempt int, counted bool) {
		heap.Push(&due, visit{at: at, arrives: true, attempt: attempt, server: rng.IntN(m.servers), counted: counted})
	}
	arrive(rng.ExpFloat64()/m.rate, 1, m.from == 0)
	for len(due) > 0 {
		v := heap.Pop(&due).(visit)
		s := servers[v.server]
		switch {
		case v.arrives:
			if v.attempt == 1 {
				if next := v.at + rng.ExpFloat64()/m.rate; next < m.seconds {
					arrive(next, 1, next >= m.from && (m.to == 0 || next < m.to))
				}
			}
			if v.counted {
				t.sent++
				if v.attempt == 1 {
					t.calls++
				}
			}
			v.arrives, v.request, v.failed = false, s.Begin(), rng.Float64() < m.fail(v.at)
			v.at += m.latency
			if v.failed {
				v.at += m.hang - m.latency
			}
			heap.Push(&due, v)
		case !v.failed:
			s.End(v.request, true)
			if v.counted {
				t.ok++
			}
		default:
			invited := s.Fail()
			s.End(v.request, false)
			if invited && v.attempt < 3 {
				arrive(v.at, v.attempt+1, v.counted)
			}
		}
	}
	return t
}

func always(p float64) func(float64) float64 { return func(float64) float64 { return p } }

// after returns an outage from a time on.
func after(from, p float64) func(float64) float64 {
	return func(t float64) float64 {
		if t < from {
			return 0
		}
		return p
	}
}

const fleetSeeds = 5

func TestFleet_SavesCallsOfShortLivedClients(t *testing.T) {
	for _, servers := range []int{1, 10, 100} {
		t.Run(strconv.Itoa(servers), func(t *testing.T) {
			for seed := range uint64(fleetSeeds) {
				got := strangers{servers: servers, rate: 1000, fail: always(.1), seconds: 10, seed: seed}.run()
				require.GreaterOrEqual(t, got.success(), .988)
			}
			slow := strangers{servers: servers, rate: 1000, fail: always(.1), latency: 1, hang: 1, seconds: 60}.run()
			require.GreaterOrEqual(t, slow.success(), .988, "with hundreds of requests in hand")
			require.LessOrEqual(t, slow.load(), 1.12)
		})
	}
}

func TestFleet_AnsweredOutageCostsLittle(t *testing.T) {
	for servers, most := range map[int]float64{1: 1.001, 10: 1.003, 100: 1.02} {
		t.Run(strconv.Itoa(servers), func(t *testing.T) {
			for seed := range uint64(fleetSeeds) {
				got := strangers{
					servers: servers, rate: 1000, fail: after(30, 1), seconds: 40, from: 30, seed: seed,
				}.run()
				require.LessOrEqual(t, got.load(), most)
			}
		})
	}
}

func TestFleet_SlowSuccessesDoNotPayForOutage(t *testing.T) {
	for servers, most := range map[int]float64{1: 1.05, 10: 1.07, 100: 1.15} {
		t.Run(strconv.Itoa(servers), func(t *testing.T) {
			got := strangers{servers: servers, rate: 1000, latency: 5, fail: after(30, 1), seconds: 40, from: 30}.run()
			require.LessOrEqual(t, got.load(), most)
		})
	}
}

func TestFleet_BoundsPartialOutage(t *testing.T) {
	for _, p := range []float64{.2, .5, .8} {
		first := strangers{servers: 10, rate: 1000, fail: after(30, p), seconds: 40, from: 30}.run()
		require.LessOrEqual(t, first.load(), 1.13, p)
		long := strangers{servers: 10, rate: 1000, fail: always(p), seconds: 120, from: 60}.run()
		require.LessOrEqual(t, long.load(), 1.12, p)
	}
}

func TestFleet_GrantsAfterLaterSuccess(t *testing.T) {
	a := budget.Fleet{Open: 1}.New()
	before := a.Begin()
	require.True(t, a.Fail())
	require.False(t, a.Fail())
	require.Zero(t, a.Level())
	a.End(before, true)
	require.False(t, a.Fail(), "it had begun before")
	a.End(a.Begin(), false)
	require.False(t, a.Fail())
	a.End(a.Begin(), true)
	require.True(t, a.Fail())
}

func TestFleet_DrainedGrantsWhatWasEarned(t *testing.T) {
	a := budget.Fleet{Ratio: .5}.NewDrained()
	require.False(t, a.Fail())
	a.End(a.Begin(), true)
	require.False(t, a.Fail())
	a.End(a.Begin(), true)
	require.True(t, a.Fail())
	require.False(t, a.Fail())
}

// Whatever happens in whatever order, grants are at most the burst and what successes earn; and
// after the last success they are at most Open and a fifth of what was in hand.
func TestFleet_BoundsHoldInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := budget.Fleet{
			Ratio: rapid.Float64Range(.001, 1).Draw(t, "ratio"),
			Burst: rapid.Float64Range(1, 30).Draw(t, "burst"),
			Open:  rapid.IntRange(1, 5).Draw(t, "open"),
		}
		a := f.New()
		var inHand []int64
		successes, grants, run, most := 0, 0, 0, f.Open
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				inHand = append(inHand, a.Begin())
				most = max(most, f.Open+len(inHand)/5)
			case 1:
				if len(inHand) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(inHand)-1).Draw(t, "which")
				a.End(inHand[i], true)
				inHand = append(inHand[:i], inHand[i+1:]...)
				successes++
				run = 0
			case 2:
				if len(inHand) == 0 {
					continue
				}
				if a.Fail() {
					grants++
					run++
				}
				a.End(inHand[0], false)
				inHand = inHand[1:]
			}
			require.LessOrEqual(t, float64(grants), f.Burst+f.Ratio*float64(successes)+1e-4*float64(successes+1))
			require.LessOrEqual(t, run, most)
		}
	})
}

func TestFleet_ConcurrentGrantsWithinOpen(t *testing.T) {
	a := budget.Fleet{Open: 3}.New()
	var wg sync.WaitGroup
	var mu sync.Mutex
	grants := 0
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				n := a.Begin()
				if a.Fail() {
					mu.Lock()
					grants++
					mu.Unlock()
				}
				a.End(n, false)
			}
		})
	}
	wg.Wait()
	require.GreaterOrEqual(t, grants, 3)
	require.LessOrEqual(t, grants, 3+8/5, "eight in hand")
}

func TestFleet_ValidateNamesEachMistake(t *testing.T) {
	err := budget.Fleet{Ratio: 2, Burst: .5, Open: -1}.Validate()
	for _, field := range []string{"Ratio", "Burst", "Open"} {
		require.ErrorContains(t, err, field+": must be")
	}
	require.NoError(t, budget.Fleet{}.Validate())
	require.Panics(t, func() { budget.Fleet{Open: -1}.New() })
}

func BenchmarkFleet(b *testing.B) {
	b.Run("success", func(b *testing.B) {
		a := budget.Fleet{}.New()
		for b.Loop() {
			a.End(a.Begin(), true)
		}
	})
	b.Run("failure", func(b *testing.B) {
		a := budget.Fleet{Ratio: 1}.New()
		for b.Loop() {
			n := a.Begin()
			a.Fail()
			a.End(n, true)
		}
	})
}

func TestFleet_LevelIsWhatIsLeftOfTheBucket(t *testing.T) {
	a := budget.Fleet{Burst: 4, Open: 100, Ratio: .5}.New()
	for _, want := range []float64{1, .75, .5, .25, 0} {
		require.Equal(t, want, a.Level())
		require.Equal(t, want > 0, a.Fail())
	}
	for _, want := range []float64{0, .25} { // below one retry nothing is granted
		a.End(a.Begin(), true)
		require.Equal(t, want, a.Level())
	}
	few := budget.Fleet{Burst: 4, Open: 1}.New()
	require.True(t, few.Fail())
	require.Zero(t, few.Level(), "as many are open as may be")
}
