package timeout_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/timeout"
)

const ms = time.Millisecond

// feed reports n answers to l, a millisecond apart, and returns the time of the next.
func feed(l timeout.Learner, now time.Time, n int, took time.Duration, answered bool) time.Time {
	for range n {
		l.Observe(now, took, answered)
		now = now.Add(ms)
	}
	return now
}

// look makes l work out its limit, by an observation that weighs nothing beside the others.
func look(l timeout.Learner, now time.Time, took time.Duration) time.Time {
	now = now.Add(time.Second)
	l.Observe(now, took, true)
	return now
}

var epoch = time.Unix(1_000_000_000, 0)

func learner(p timeout.Percentile) timeout.Learner { return p.New().(timeout.Learner) }

func TestFixed(t *testing.T) {
	require.Equal(t, 250*ms, timeout.Fixed(250*ms).New().Timeout())
	require.Equal(t, "250ms", timeout.Fixed(250*ms).String())
	require.NoError(t, timeout.Fixed(1).Validate())
	for _, f := range []timeout.Fixed{0, -1, math.MinInt64} {
		require.ErrorContains(t, f.Validate(), "must be more than 0, not "+f.String())
		require.PanicsWithError(t, "timeout.Fixed: "+f.Validate().Error(), func() { f.New() })
	}
}

func TestPercentile_ValidatesEveryField(t *testing.T) {
	require.NoError(t, timeout.Percentile{}.Validate())
	bad := timeout.Percentile{
		Rate: math.NaN(), Floor: -1, Ceiling: 2 * time.Hour, Padding: math.Inf(1), Window: ms, WarmUp: -1, Growth: 1,
	}
	for _, field := range []string{"Rate", "Floor", "Ceiling", "Padding", "Window", "WarmUp", "Growth"} {
		require.ErrorContains(t, bad.Validate(), field+": must be ")
	}
	require.Len(t, strings.Split(bad.Validate().Error(), "\n"), 7)
	for _, one := range []timeout.Percentile{
		{Rate: 0.6},
		{Rate: -1},
		{Rate: math.SmallestNonzeroFloat64},
		{Rate: math.Inf(1)},
		{Floor: 2 * time.Hour},
		{Floor: 2 * time.Second, Ceiling: time.Second},
		{Ceiling: -time.Second},
		{Padding: -0.1},
		{Padding: math.NaN()},
		{Window: 25 * time.Hour},
		{WarmUp: 2_000_000},
		{Growth: 1001},
		{Growth: math.NaN()},
	} {
		require.Len(t, strings.Split(one.Validate().Error(), "\n"), 1, "%+v", one)
		require.Panics(t, func() { one.New() }, "%+v", one)
	}
}

func TestPercentile_PanicNamesField(t *testing.T) {
	defer func() {
		require.ErrorContains(t, recover().(error), "timeout.Percentile.Rate: must be 1e-05 to 0.5, not 7")
	}()
	timeout.Percentile{Rate: 7}.New()
}

func TestPercentile_CeilingUntilWarm(t *testing.T) {
	l := learner(timeout.Percentile{Rate: 0.01, Ceiling: 5 * time.Second})
	require.Equal(t, 5*time.Second, l.Timeout())
	require.Zero(t, l.Usual())

	now := feed(l, epoch, 8, 10*ms, true)
	now = look(l, now, 10*ms)
	require.Zero(t, l.Usual(), "nine answers are too few even for a median")

	now = feed(l, now, 89, 10*ms, true)
	now = look(l, now, 10*ms)
	require.Equal(t, 5*time.Second, l.Timeout(), "99 answers cannot tell the slowest of a hundred")
	require.InEpsilon(t, 10*ms, l.Usual(), 0.04)

	look(l, now, 10*ms)
	require.Less(t, l.Timeout(), 20*ms)
}

func TestPercentile_CensoredAttemptsDoNotWarm(t *testing.T) {
	l := learner(timeout.Percentile{})
	now := feed(l, epoch, 5000, 10*ms, false)
	look(l, now, 10*ms)
	require.Equal(t, 30*time.Second, l.Timeout())
	require.Zero(t, l.Usual())
}

func TestPercentile_FloorAndCeilingBind(t *testing.T) {
	l := learner(timeout.Percentile{Floor: 50 * ms, Ceiling: 80 * ms})
	now := feed(l, epoch, 2000, ms, true)
	now = look(l, now, ms)
	require.Equal(t, 50*ms, l.Timeout())
	now = feed(l, now, 200, time.Hour, true)
	now = look(l, now, ms)
	require.Equal(t, 80*ms, l.Timeout())
	now = feed(l, now, 20_000, time.Hour, true)
	look(l, now, ms)
	require.Equal(t, 80*ms, l.Timeout())
	require.Equal(t, 80*ms, l.Usual(), "longer than that is not told apart")
}

func TestPercentile_PadsNarrowDistributions(t *testing.T) {
	for padding, want := range map[float64]time.Duration{0: 15 * ms, 1: 20 * ms, 0.001: 10 * ms} {
		l := learner(timeout.Percentile{Padding: padding})
		now := feed(l, epoch, 2000, 10*ms, true)
		look(l, now, 10*ms)
		require.InEpsilon(t, want, l.Timeout(), 0.04, "padding %v", padding)
	}
	l := learner(timeout.Percentile{Padding: 1})
	now := feed(l, epoch, 2000, 10*ms, true)
	now = feed(l, now, 20, 100*ms, true)
	look(l, now, 10*ms)
	require.InEpsilon(t, 100*ms, l.Timeout(), 0.04, "a slow tail needs none")
}

// 1,800 samples are worth 1.8 attempts given up, 1,400 are worth 1.4: two and one, not one both
// times.
func TestPercentile_RoundsToNearestSample(t *testing.T) {
	for n, want := range map[int]time.Duration{1800: 15 * ms, 1400: 100 * ms} {
		l := learner(timeout.Percentile{})
		now := feed(l, epoch, 1, 100*ms, true)
		now = feed(l, now, 1, 200*ms, true)
		now = feed(l, now, n-3, 10*ms, true)
		look(l, now, 10*ms)
		require.InEpsilon(t, want, l.Timeout(), 0.04, "%d samples", n)
	}
}

func TestPercentile_ForgetsBeyondWindow(t *testing.T) {
	l := learner(timeout.Percentile{Window: 10 * time.Second})
	now := feed(l, epoch, 5000, 100*ms, true)
	now = look(l, now, 10*ms)
	require.InEpsilon(t, 150*ms, l.Timeout(), 0.04)
	for range 13 { // a window, and a quarter that is under way
		now = feed(l, now, 1000, 10*ms, true)
	}
	require.InEpsilon(t, 15*ms, l.Timeout(), 0.04)
	require.InEpsilon(t, 10*ms, l.Usual(), 0.04)
}

func TestPercentile_IdleKeepsOnlyWhatIsNeeded(t *testing.T) {
	l := learner(timeout.Percentile{})
	now := epoch
	for range 60 {
		now = feed(l, now, 1000, 100*ms, true)
	}
	require.InEpsilon(t, 150*ms, l.Timeout(), 0.04)
	now = now.Add(time.Hour)
	for range 33 { // a quarter of a window, one that is under way, and not the whole of it
		now = feed(l, now, 1000, 10*ms, true)
	}
	require.InEpsilon(t, 15*ms, l.Timeout(), 0.04)
}

func TestPercentile_KeepsQuietDestination(t *testing.T) {
	l := learner(timeout.Percentile{})
	now := feed(l, epoch, 1500, 10*ms, true)
	for range 20 {
		now = look(l, now.Add(time.Hour), 10*ms)
		require.InEpsilon(t, 15*ms, l.Timeout(), 0.04)
	}
}

// A hundred thousand attempts given up leave the limit at least as long as before.
func TestPercentile_CensoredAttemptsNeverShorten(t *testing.T) {
	for _, took := range []time.Duration{0, 1, ms, 9 * ms, 11 * ms, 16 * ms, math.MaxInt64} {
		l := learner(timeout.Percentile{})
		now := feed(l, epoch, 2000, 10*ms, true)
		now = look(l, now, 10*ms)
		before := l.Timeout()
		now = feed(l, now, 100_000, took, false)
		look(l, now, 10*ms)
		require.GreaterOrEqual(t, l.Timeout(), before, "%v", took)
	}
}

func TestPercentile_IgnoresInvalidDurations(t *testing.T) {
	l := learner(timeout.Percentile{})
	now := feed(l, epoch, 5000, -1, true)
	now = feed(l, now, 5000, math.MinInt64, true)
	look(l, now, ms)
	require.Equal(t, 30*time.Second, l.Timeout())
	require.Zero(t, l.Usual())
}

// Drivers pass what their clock says: the year 1 of a simulator, or readings that overtook each
// other.
func TestPercentile_AcceptsAnyClock(t *testing.T) {
	for name, start := range map[string]time.Time{"zero": {}, "1970": time.Unix(0, 0), "now": time.Now()} {
		l := learner(timeout.Percentile{})
		now := feed(l, start, 2000, 10*ms, true)
		l.Observe(now.Add(-time.Hour), 10*ms, true)
		look(l, now, 10*ms)
		require.InEpsilon(t, 15*ms, l.Timeout(), 0.04, name)
	}
	l := learner(timeout.Percentile{})
	l.Observe(time.Time{}, ms, true)
	feed(l, time.Now(), 2000, 10*ms, true) // three centuries is as far as a Duration reaches
	require.InEpsilon(t, 15*ms, l.Timeout(), 0.04)
}

// An observation of any kind, some time after the one before it, a number of times.
type seen struct {
	after, took time.Duration
	answered    bool
	times       int
}

var anySeen = rapid.Custom(func(t *rapid.T) seen {
	took := rapid.OneOf(
		rapid.Int64Range(0, int64(time.Second)),
		rapid.Int64Range(0, int64(2*time.Hour)),
		rapid.SampledFrom([]int64{0, -1, 1, math.MinInt64, math.MaxInt64}),
		rapid.Int64(),
	)
	return seen{
		after:    time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "after")),
		took:     time.Duration(took.Draw(t, "took")),
		answered: rapid.Bool().Draw(t, "answered"),
		times:    rapid.IntRange(1, 20).Draw(t, "times"),
	}
})

func (s seen) observe(l timeout.Learner, now time.Time) {
	for range s.times {
		l.Observe(now, s.took, s.answered)
	}
}

func TestPercentile_WithinFloorAndCeiling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPercentile(t)
		p.Ceiling = max(p.Ceiling, p.Floor, 1)
		p.WarmUp = rapid.IntRange(1, 50).Draw(t, "warm-up")
		l, now := learner(p), epoch
		for _, s := range rapid.SliceOf(anySeen).Draw(t, "seen") {
			now = now.Add(s.after)
			s.observe(l, now)
			require.LessOrEqual(t, l.Timeout(), p.Ceiling)
			require.GreaterOrEqual(t, l.Timeout(), max(p.Floor, 1))
			require.LessOrEqual(t, l.Usual(), p.Ceiling)
			require.GreaterOrEqual(t, l.Usual(), time.Duration(0))
		}
	})
}

// beside runs two limits of one kind side by side, and asks after each step that the second is no
// shorter. The window is long: which answers are forgotten is another matter.
func beside(t *rapid.T, step func(s seen, now time.Time, a, b timeout.Learner)) {
	p := timeout.Percentile{
		Rate:   rapid.SampledFrom([]float64{0.001, 0.05, 0.5}).Draw(t, "rate"),
		WarmUp: 20, Window: 24 * time.Hour,
	}
	a, b, now := learner(p), learner(p), epoch
	for _, s := range rapid.SliceOfN(anySeen, 1, 40).Draw(t, "seen") {
		now = now.Add(s.after)
		step(s, now, a, b)
		require.GreaterOrEqual(t, b.Timeout(), a.Timeout())
		if b.Usual() > 0 { // else too few were answered
			require.GreaterOrEqual(t, b.Usual(), a.Usual())
		}
	}
}

func TestPercentile_SlowerAnswersNeverShorten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		beside(t, func(s seen, now time.Time, a, b timeout.Learner) {
			s.took, s.answered = max(0, s.took), true
			s.observe(a, now)
			s.took += time.Duration(rapid.Int64Range(0, math.MaxInt64-int64(s.took)).Draw(t, "longer"))
			s.observe(b, now)
		})
	})
}

// In place of an answer, an attempt given up just then tells less, and never lowers the limit.
func TestPercentile_CensoringNeverShorten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		beside(t, func(s seen, now time.Time, a, b timeout.Learner) {
			s.observe(a, now)
			s.answered = s.answered && rapid.Bool().Draw(t, "still answered")
			s.observe(b, now)
		})
	})
}

func TestPercentile_GrowthIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := timeout.Percentile{
			Growth: rapid.Float64Range(1.1, 100).Draw(t, "growth"),
			Window: time.Duration(rapid.Int64Range(int64(time.Second), int64(10*time.Minute)).Draw(t, "window")),
			WarmUp: 5, Ceiling: time.Hour,
		}
		type reading struct {
			at    time.Time
			limit time.Duration
		}
		var past []reading
		l, now := learner(p), epoch
		for _, s := range rapid.SliceOfN(anySeen, 1, 60).Draw(t, "seen") {
			now = now.Add(s.after)
			s.observe(l, now)
			for _, r := range past {
				if now.Sub(r.at) < p.Window {
					require.LessOrEqual(t, float64(l.Timeout()), float64(r.limit)*p.Growth+1)
				}
			}
			past = append(past, reading{now, l.Timeout()})
		}
	})
}

// 64 goroutines observe and read: nothing is lost, so the limit is what it is when one does it
// all.
func TestPercentile_ConcurrentUse(t *testing.T) {
	const each = 2000
	work := func(l timeout.Learner, g uint64) {
		r, latency := rand.New(rand.NewPCG(g, 1)), lognormal(20*ms, 0.5)
		for i := range each {
			l.Observe(epoch.Add(time.Duration(i)*ms), latency(0, r), r.Float64() > 0.001)
			if limit := l.Timeout(); limit < ms || limit > 30*time.Second || l.Usual() < 0 {
				t.Errorf("limit %v, usual %v", limit, l.Usual())
				return
			}
		}
	}
	together, alone := learner(timeout.Percentile{}), learner(timeout.Percentile{})
	turning := learner(timeout.Percentile{Window: time.Second, Rate: 0.01}) // slices end while others add to them
	var wait sync.WaitGroup
	for g := range uint64(64) {
		wait.Go(func() {
			work(together, g)
			work(turning, g)
		})
	}
	wait.Wait()
	for g := range uint64(64) {
		work(alone, g)
	}
	look(together, epoch.Add(each*ms), 20*ms)
	look(alone, epoch.Add(each*ms), 20*ms)
	require.Equal(t, alone.Timeout(), together.Timeout())
	require.Equal(t, alone.Usual(), together.Usual())
	require.InEpsilon(t, 94*ms, together.Timeout(), 0.1, "the 99.9th percentile")
}

func TestPercentile_AllocatesNothing(t *testing.T) {
	l := learner(timeout.Percentile{})
	now := feed(l, epoch, 2000, 10*ms, true)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		now = look(l, now, 10*ms) // works the limit out each time
		l.Observe(now, time.Hour, false)
		_, _ = l.Timeout(), l.Usual()
	}))
}
