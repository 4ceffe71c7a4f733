package backoff_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/backoff"
)

const century = 100 * 365 * 24 * time.Hour

func delays(s backoff.Strategy, n int, u float64) []time.Duration {
	var all []time.Duration
	prev := time.Duration(0)
	for wait := 1; wait <= n; wait++ {
		prev = s.Delay(wait, prev, u)
		all = append(all, prev)
	}
	return all
}

func seconds(all ...float64) []time.Duration {
	var ds []time.Duration
	for _, s := range all {
		ds = append(ds, time.Duration(s*float64(time.Second)))
	}
	return ds
}

func TestCurves(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		s    backoff.Strategy
		u    float64
		want []time.Duration
	}{
		"none":                                {backoff.None(), 0.5, seconds(0, 0, 0)},
		"constant":                            {backoff.Constant(2 * s), 0.5, seconds(2, 2, 2)},
		"linear":                              {backoff.Linear(2*s, 7*s), 0.5, seconds(2, 4, 6, 7, 7)},
		"exponential":                         {backoff.Exponential(2*s, 30*s), 0.5, seconds(2, 4, 8, 16, 30, 30)},
		"fibonacci":                           {backoff.Fibonacci(2*s, 30*s), 0.5, seconds(2, 2, 4, 6, 10, 16, 26, 30, 30)},
		"full jitter":                         {backoff.FullJitter(2*s, 30*s), 0.25, seconds(.5, 1, 2, 4, 7.5, 7.5)},
		"equal jitter":                        {backoff.EqualJitter(2*s, 30*s), 0.25, seconds(1.25, 2.5, 5, 10, 18.75, 18.75)},
		"decorrelated lowest":                 {backoff.DecorrelatedJitter(2*s, 30*s), 0, seconds(2, 2, 2)},
		"decorrelated":                        {backoff.DecorrelatedJitter(2*s, 30*s), 0.5, seconds(4, 7, 11.5, 16, 16)},
		"full":                                {backoff.Full(backoff.Linear(2*s, 7*s)), 0.5, seconds(1, 2, 3, 3.5)},
		"equal":                               {backoff.Equal(backoff.Linear(2*s, 7*s)), 0.5, seconds(1.5, 3, 4.5, 5.25)},
		"proportional lowest":                 {backoff.Proportional(backoff.Exponential(10*s, 30*s), 0.2), 0, seconds(8, 16, 24, 24)},
		"proportional middle":                 {backoff.Proportional(backoff.Exponential(10*s, 30*s), 0.2), 0.5, seconds(10, 20, 30, 30)},
		"proportional above":                  {backoff.Proportional(backoff.Exponential(10*s, 30*s), 0.2), 0.75, seconds(11, 22, 33, 33)},
		"cap":                                 {backoff.Cap(backoff.Linear(2*s, 7*s), 5*s), 0.5, seconds(2, 4, 5, 5)},
		"floor":                               {backoff.Floor(backoff.Linear(2*s, 7*s), 5*s), 0.5, seconds(5, 5, 6, 7)},
		"a base that does not divide the cap": {backoff.Exponential(2, 5), 0, []time.Duration{2, 4, 5, 5}},
		"equal jitter of odd delays":          {backoff.EqualJitter(3, 5), 0.75, []time.Duration{2, 4, 4}},
		"a wait below 1 is 1":                 {backoff.Full(first{backoff.Exponential(2*s, 30*s)}), 0.5, seconds(1, 1, 1)},
	} {
		require.Equal(t, c.want, delays(c.s, len(c.want), c.u), name)
	}
}

// first asks for a wait that no caller should.
type first struct{ backoff.Strategy }

func (f first) Delay(wait int, prev time.Duration, u float64) time.Duration {
	return f.Strategy.Delay(math.MinInt+wait, prev, u)
}

func TestProportional_ZeroIsDeterministic(t *testing.T) {
	curve := backoff.Linear(math.MaxInt64/13-1, math.MaxInt64-12345) // more digits than a float64 has
	s := backoff.Proportional(curve, 0)
	for wait := 1; wait < 70; wait++ {
		for _, u := range []float64{0, 0.3, 0.999999} {
			require.Equal(t, curve.Delay(wait, 0, 0), s.Delay(wait, 0, u))
		}
	}
}

// limited is a strategy and the longest delay that it may give.
type limited struct {
	backoff.Strategy
	most time.Duration
}

func drawDuration(t *rapid.T, name string, from time.Duration) time.Duration {
	// Powers of two, so that nanoseconds are as likely as centuries.
	bits := rapid.IntRange(0, 63).Draw(t, name+" bits")
	d := time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, name) >> bits)
	return min(max(d, from), max(century, from))
}

// drawLeaf draws one of the strategies that are not made of another.
func drawLeaf(t *rapid.T) limited {
	base := drawDuration(t, "base", 1)
	cap := drawDuration(t, "cap", base)
	switch rapid.IntRange(0, 8).Draw(t, "kind") {
	case 0:
		return limited{backoff.None(), 0}
	case 1:
		return limited{backoff.Constant(base), base}
	case 2:
		return limited{backoff.Linear(base, cap), cap}
	case 3:
		return limited{backoff.Exponential(base, cap), cap}
	case 4:
		return limited{backoff.Fibonacci(base, cap), cap}
	case 5:
		return limited{backoff.FullJitter(base, cap), cap}
	case 6:
		return limited{backoff.EqualJitter(base, cap), cap}
	case 7:
		return limited{backoff.DecorrelatedJitter(base, cap), cap}
	}
	return limited{backoff.SmoothDecorrelated(base, cap), cap}
}

// drawStrategy draws a leaf, or one in wrappers at most depth deep.
func drawStrategy(t *rapid.T, depth int) limited {
	kind := rapid.IntRange(0, 5).Draw(t, "wrapper")
	if depth == 0 || kind == 0 {
		return drawLeaf(t)
	}
	of := drawStrategy(t, depth-1)
	switch kind {
	case 1:
		return limited{backoff.Full(of), of.most}
	case 2:
		return limited{backoff.Equal(of), of.most}
	case 3:
		d := drawDuration(t, "max", 1)
		return limited{backoff.Cap(of, d), min(of.most, d)}
	case 4:
		d := drawDuration(t, "min", 0)
		return limited{backoff.Floor(of, d), max(of.most, d)}
	}
	x := rapid.Float64Range(0, 1).Draw(t, "x")
	most := math.Nextafter(float64(of.most)*(1+x), math.Inf(1))
	if most >= math.MaxInt64 {
		return limited{backoff.Proportional(of, x), math.MaxInt64}
	}
	return limited{backoff.Proportional(of, x), time.Duration(math.Ceil(most))}
}

func anyU() *rapid.Generator[float64] {
	return rapid.OneOf(
		rapid.Float64Range(0, 1), rapid.Float64(),
		rapid.SampledFrom([]float64{0, 0.5, 1 - 0x1p-53, 1, math.NaN(), math.Inf(1), math.Inf(-1), -0.5, math.Copysign(0, -1)}))
}

func anyWait() *rapid.Generator[int] {
	return rapid.OneOf(
		rapid.IntRange(1, 100), rapid.IntRange(1, 1_000_000), rapid.Int(),
		rapid.SampledFrom([]int{0, -1, math.MinInt, math.MaxInt, 63, 64, 65}))
}

func anyPrev() *rapid.Generator[int64] {
	return rapid.OneOf(
		rapid.Int64(), rapid.Int64Range(0, int64(time.Hour)),
		rapid.SampledFrom([]int64{0, math.MinInt64, math.MaxInt64, math.MaxInt64 / 2, math.MaxInt64/3 + 1}))
}

func TestExponential_BitExact(t *testing.T) {
	s := backoff.Exponential(1, math.MaxInt64)
	for wait := 1; wait <= 63; wait++ {
		require.Equal(t, time.Duration(1)<<(wait-1), s.Delay(wait, 0, 0))
	}
	for _, wait := range []int{64, 65, 66, 127, 128, 129, 1_000_000, math.MaxInt} {
		require.Equal(t, time.Duration(math.MaxInt64), s.Delay(wait, 0, 0), wait)
	}
}

// The longest delays have more digits than a float64.
func TestCap_BoundsLongestDelays(t *testing.T) {
	for _, cap := range []time.Duration{1<<53 + 1, 1<<54 - 1, 1<<62 + 513, 1<<62 - 1, math.MaxInt64 - 511, math.MaxInt64} {
		for _, s := range []backoff.Strategy{
			backoff.FullJitter(cap, cap), backoff.EqualJitter(cap, cap), backoff.DecorrelatedJitter(1, cap),
		} {
			d := s.Delay(10, cap, 1)
			require.LessOrEqual(t, d, cap)
			require.Greater(t, d, cap/10*9)
		}
		// Its longest is where the first half of u is all ones and the second zero.
		d := backoff.SmoothDecorrelated(cap, cap).Delay(10, cap, 1-0x1p-26)
		require.LessOrEqual(t, d, cap)
		require.Greater(t, d, cap/10*9)
	}
}

// Law 3: no delay is negative, overflows or exceeds its cap, whatever the arguments.
func TestDelay_WithinZeroAndCap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawStrategy(t, 3)
		for range 20 {
			wait := anyWait().Draw(t, "wait")
			prev := time.Duration(anyPrev().Draw(t, "prev"))
			u := anyU().Draw(t, "u")
			d := s.Delay(wait, prev, u)
			require.GreaterOrEqual(t, d, time.Duration(0))
			require.LessOrEqual(t, d, s.most)
			require.Equal(t, d, s.Delay(wait, prev, u), "pure")
		}
	})
}

// Every wait to 2,000 and, to keep this short, each 997th from there.
func TestDelay_WaitsUpToAMillion(t *testing.T) {
	for name, s := range everyStrategy() {
		for _, u := range []float64{0, 0.999999999} {
			prev := time.Duration(0)
			for wait := 1; wait <= 1_000_000; wait++ {
				if wait > 2000 {
					wait = min(wait+996, 1_000_000)
				}
				prev = s.Delay(wait, prev, u)
				if prev < 0 || prev > 24*time.Second {
					t.Fatalf("%s: wait %d is %v", name, wait, prev)
				}
			}
		}
	}
}

// Curves never shrink, and more luck never means a shorter wait where there is one random number.
func TestDelay_IsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := drawDuration(t, "base", 1)
		cap := drawDuration(t, "cap", base)
		wait, u := rapid.IntRange(1, 80).Draw(t, "wait"), rapid.Float64Range(0, 0.99).Draw(t, "u")
		for _, s := range []backoff.Strategy{
			backoff.Linear(base, cap), backoff.Exponential(base, cap), backoff.Fibonacci(base, cap),
			backoff.FullJitter(base, cap), backoff.EqualJitter(base, cap), backoff.DecorrelatedJitter(base, cap),
		} {
			d := s.Delay(wait, base, u)
			require.LessOrEqual(t, d, s.Delay(wait+1, base, u))
			require.LessOrEqual(t, d, s.Delay(wait, base, u+0.01))
		}
		require.Equal(t, cap, backoff.Exponential(base, cap).Delay(64, 0, 0))
		require.Equal(t, base, backoff.Exponential(base, cap).Delay(1, 0, 0))
	})
}

// A jitter around a curve is the jitter made for the curve.
func TestExponential_FullAndEqualJitterMatchCurve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := drawDuration(t, "base", 1)
		cap := drawDuration(t, "cap", base)
		wait, u := anyWait().Draw(t, "wait"), anyU().Draw(t, "u")
		curve := backoff.Exponential(base, cap)
		require.Equal(t, backoff.FullJitter(base, cap).Delay(wait, 0, u), backoff.Full(curve).Delay(wait, 0, u))
		require.Equal(t, backoff.EqualJitter(base, cap).Delay(wait, 0, u), backoff.Equal(curve).Delay(wait, 0, u))
	})
}

func TestConstructors_PanicOnInvalidArguments(t *testing.T) {
	const s = time.Second
	for want, build := range map[string]func(){
		"backoff.Constant: must not be negative, not -1s":                                  func() { backoff.Constant(-s) },
		"backoff.Linear: base: must be above 0, not 0s":                                    func() { backoff.Linear(0, s) },
		"backoff.Exponential: cap: must not be below base (2s), not 1s":                    func() { backoff.Exponential(2*s, s) },
		"backoff.Fibonacci: base: must be above 0, not -1s":                                func() { backoff.Fibonacci(-s, s) },
		"backoff.FullJitter: base: must be above 0, not 0s; cap: must be above 0, not -1s": func() { backoff.FullJitter(0, -s) },
		"backoff.EqualJitter: cap: must be above 0, not 0s":                                func() { backoff.EqualJitter(s, 0) },
		"backoff.DecorrelatedJitter: cap: must not be below base (2s), not 1s":             func() { backoff.DecorrelatedJitter(2*s, s) },
		"backoff.SmoothDecorrelated: median: must be above 0, not 0s":                      func() { backoff.SmoothDecorrelated(0, s) },
		"backoff.Full: of: must be a strategy, not nil":                                    func() { backoff.Full(nil) },
		"backoff.Equal: of: must be a strategy, not nil":                                   func() { backoff.Equal(nil) },
		"backoff.Cap: max: must be above 0, not 0s":                                        func() { backoff.Cap(backoff.None(), 0) },
		"backoff.Cap: of: must be a strategy, not nil; max: must be above 0, not -1s":      func() { backoff.Cap(nil, -s) },
		"backoff.Floor: min: must not be negative, not -1s":                                func() { backoff.Floor(backoff.None(), -s) },
		"backoff.Proportional: by: must be within 0 and 1, not 1.5":                        func() { backoff.Proportional(backoff.None(), 1.5) },
		"backoff.Proportional: by: must be within 0 and 1, not -0.1":                       func() { backoff.Proportional(backoff.None(), -0.1) },
		"backoff.Proportional: by: must be within 0 and 1, not NaN":                        func() { backoff.Proportional(backoff.None(), math.NaN()) },
	} {
		require.PanicsWithValue(t, want, build)
	}
}

func TestStrategies_AreComparable(t *testing.T) {
	for name, s := range everyStrategy() {
		require.True(t, s == everyStrategy()[name], name)
		require.NoError(t, backoff.Validate(s), name)
	}
	require.False(t, backoff.Constant(1) == backoff.Constant(2))
	require.Error(t, backoff.Validate(nil))
	require.NoError(t, backoff.Validate(first{}), "a strategy from elsewhere has nothing to say")
}

func FuzzDelay(f *testing.F) {
	f.Add(int64(50*time.Millisecond), int64(20*time.Second), 1, int64(0), 0.5)
	f.Add(int64(1), int64(math.MaxInt64), math.MaxInt, int64(math.MaxInt64), 1.0)
	f.Add(int64(century), int64(century), -1, int64(-1), math.NaN())
	f.Fuzz(func(t *testing.T, base, cap int64, wait int, prev int64, u float64) {
		b, c := time.Duration(max(base, 1)), time.Duration(max(cap, base, 1))
		for _, s := range []backoff.Strategy{
			backoff.Linear(b, c), backoff.Exponential(b, c), backoff.Fibonacci(b, c), backoff.FullJitter(b, c),
			backoff.EqualJitter(b, c), backoff.DecorrelatedJitter(b, c), backoff.SmoothDecorrelated(b, c),
			backoff.Cap(backoff.Proportional(backoff.Exponential(b, c), 1), c),
		} {
			d := s.Delay(wait, time.Duration(prev), u)
			if d < 0 || d > c {
				t.Fatalf("%#v: Delay(%d, %d, %v) = %d", s, wait, prev, u, d)
			}
		}
	})
}
