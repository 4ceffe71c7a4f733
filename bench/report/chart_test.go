package report

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var never = math.Inf(1)

func times(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) + "x" }

func TestAxes(t *testing.T) {
	linear := NewAxis("", plain, false, 1, []float64{1.2, 4})
	require.Equal(t, 1., linear.lo)
	require.Equal(t, 4., linear.hi)
	require.Equal(t, []string{"1", "1.5", "2", "2.5", "3", "3.5", "4"}, linear.texts())
	require.InDelta(t, 0, linear.part(1), 1e-9)
	require.InDelta(t, 1, linear.part(4), 1e-9)

	log := NewAxis("", times, true, 0, []float64{1, 243, never, math.NaN()})
	require.Equal(t, []string{"1x", "2x", "5x", "10x", "20x", "50x", "100x", "200x", "never"}, log.texts())
	require.True(t, log.never)
	require.Greater(t, log.part(never), log.part(log.hi))
	require.Less(t, log.part(never), 1.)
	require.InDelta(t, log.part(100)-log.part(10), log.part(10)-log.part(1), 1e-9)

	require.True(t, NewAxis("", plain, false, 0, []float64{never}).never)
	same := NewAxis("", plain, false, 0, []float64{0, 0})
	require.Greater(t, same.hi, same.lo)
	require.Equal(t, []string{"140", "290"}, Exactly("", false, []float64{140, 290}).texts())
}

func TestAxes_ContainFiguresAndTicks(t *testing.T) {
	for _, log := range []bool{false, true} {
		for _, values := range [][]float64{{1}, {.01, 1}, {3, 7, 1e6}, {1e-9, 2e-9}, {never, 5}} {
			a := NewAxis("", plain, log, 0, values)
			for _, v := range append(values, a.ticks()...) {
				require.GreaterOrEqual(t, a.part(v), -1e-9, "%v of %v", v, values)
				require.LessOrEqual(t, a.part(v), 1+1e-9, "%v of %v", v, values)
			}
			require.LessOrEqual(t, len(a.ticks()), 12)
		}
	}
}

func TestNames_DoNotOverlap(t *testing.T) {
	c := Chart{ID: "c", X: Exactly("x", false, []float64{0, 1}), Y: NewAxis("y", plain, false, 0, []float64{0, 10})}
	for i := range 13 {
		c.Series = append(c.Series, Series{
			Name: string(rune('a' + i)), Tone: Grey, Points: []Point{{X: 0, Published: math.NaN()}, {X: 1, Published: math.NaN()}},
		})
	}
	require.NotContains(t, c.draw(narrow, false), "NaN")
	var at []string
	for _, m := range regexp.MustCompile(`class="name"[^>]* y="([^"]+)"`).FindAllStringSubmatch(c.draw(wide, false), -1) {
		at = append(at, m[1])
	}
	require.Len(t, at, 13)
	seen := map[string]bool{}
	for _, y := range at {
		require.False(t, seen[y])
		seen[y] = true
	}
}

// named returns a line through figures at 0, 1, 2 and so on.
func named(name string, figures ...float64) Series {
	s := Series{Name: name, Tone: Grey}
	for i, y := range figures {
		s.Points = append(s.Points, Point{X: float64(i), Y: y, Published: math.NaN()})
	}
	return s
}

func TestNames_StandWhereLinesDiverge(t *testing.T) {
	f := frame{left: 44, right: 844, top: 30, bottom: 400}
	for name, c := range map[string]struct {
		series []Series
		want   place
	}{
		"they diverge at the end": {
			[]Series{named("a", 0, 0, 0, 9), named("b", 0, 1, 2, 5), named("c", 0, 1, 1, 1), named("d", 0, 1, 1, 0)}, place{3, true},
		},
		"they meet at the end": {
			[]Series{named("a", 0, 9, 8, 0), named("b", 0, 6, 4, 0), named("c", 0, 3, 3, 0), named("d", 0, 1, 2, 0)}, place{x: 1},
		},
		"they meet everywhere": {
			[]Series{named("a", 1, 1, 1, 1), named("b", 1, 1, 1, 1), named("c", 1, 1, 1, 1)}, place{3, true},
		},
		"one has no point there": {
			[]Series{named("a", 0, 9, 8, 0), named("b", 0, 6, 4, 0), {Name: "c", Points: []Point{{X: 3}}}}, place{3, true},
		},
		"there is no room there": {
			[]Series{named(strings.Repeat("a", 100), 0, 9, 8, 0), named("b", 0, 6, 4, 0), named("c", 0, 1, 1, 0)}, place{3, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			chart := Chart{X: Exactly("x", false, []float64{0, 1, 2, 3}), Y: NewAxis("y", plain, false, 0, []float64{0, 10}), Series: c.series}
			require.Equal(t, c.want, chart.divergence(f))
			last := math.Inf(-1)
			for _, n := range chart.arrange(f, c.want) {
				require.GreaterOrEqual(t, n.at, last+nameGap, n.Name)
				last = n.at
			}
		})
	}
	require.Equal(t, place{last: true}, (&Chart{}).divergence(f))
}

func TestMarkers_DoNotOverlap(t *testing.T) {
	seen := map[string]bool{}
	for m := range markers {
		var s svg
		m.draw(&s, "dot", 10, 10, 4)
		require.False(t, seen[s.String()])
		seen[s.String()] = true
	}
}
