package report

import (
	"cmp"
	"math"
	"slices"
)

// nameGap is the least distance of two names.
const nameGap = lineHeight - 2

// name is the position of a series' name, and the point that it belongs to.
type name struct {
	Series
	x, y float64 // of the point
	at   float64 // of the name
}

// place is the x at which the names of all lines are written.
type place struct {
	x    float64 // the param's
	last bool    // the lines end there, so that names have a margin of their own
}

// divergence returns where names need to be moved least to stand apart. The end of the lines is as
// good as a place that needs a little less: nothing is in the way there.
func (c *Chart) divergence(f frame) place {
	xs := c.alongX()
	if len(xs) == 0 {
		return place{last: true}
	}
	end := place{xs[len(xs)-1], true}
	best, least := end, c.moved(f, end)-2*nameGap
	for _, x := range xs[:len(xs)-1] {
		if there := (place{x: x}); c.allAt(x) && c.fits(f, x) && c.moved(f, there) < least {
			best, least = there, c.moved(f, there)
		}
	}
	return best
}

// alongX returns the values of the param at which some series has a point.
func (c *Chart) alongX() []float64 {
	var xs []float64
	for _, one := range c.Series {
		for _, p := range one.Points {
			xs = append(xs, p.X)
		}
	}
	slices.Sort(xs)
	return slices.Compact(xs)
}

// moved returns the total distance that names have to be moved.
func (c *Chart) moved(f frame, where place) (sum float64) {
	for _, n := range c.arrange(f, where) {
		sum += math.Abs(n.at - n.y)
	}
	return sum
}

// allAt reports whether every line has a point at x.
func (c *Chart) allAt(x float64) bool {
	return !slices.ContainsFunc(c.Series, func(s Series) bool { return !s.has(x) })
}

func (s Series) has(x float64) bool {
	return slices.ContainsFunc(s.Points, func(p Point) bool { return p.X == x })
}

// fits reports whether names beside a point leave room for themselves in the plot.
func (c *Chart) fits(f frame, x float64) bool {
	return f.x(c.X.part(x))+inset+c.widestName() <= f.right
}

func (c *Chart) widestName() float64 {
	var names []string
	for _, one := range c.Series {
		names = append(names, one.Name)
	}
	return widest(names)
}

// arrange returns the names from top to bottom, moved apart where points are close together.
func (c *Chart) arrange(f frame, where place) []name {
	var all []name
	for _, one := range c.Series {
		if p, ok := one.at(where.x); ok {
			y := f.y(c.Y.part(p.Y))
			all = append(all, name{one, f.x(c.X.part(p.X)), y, y})
		}
	}
	slices.SortStableFunc(all, func(a, b name) int { return cmp.Or(cmp.Compare(a.y, b.y), b.compare(a.Series)) })
	for i := 1; i < len(all); i++ {
		all[i].at = max(all[i].at, all[i-1].at+nameGap)
	}
	lowest := f.bottom + 4
	for i := len(all) - 1; i >= 0; i-- {
		all[i].at = min(all[i].at, lowest)
		lowest = all[i].at - nameGap
	}
	return all
}

// at returns the point at x, or the last one if there is none.
func (s Series) at(x float64) (Point, bool) {
	if len(s.Points) == 0 {
		return Point{}, false
	}
	if i := slices.IndexFunc(s.Points, func(p Point) bool { return p.X == x }); i >= 0 {
		return s.Points[i], true
	}
	return s.Points[len(s.Points)-1], true
}

// compare orders by the last figures, and where these are equal by those before.
func (s Series) compare(t Series) int {
	for i := 1; i <= min(len(s.Points), len(t.Points)); i++ {
		if by := cmp.Compare(s.Points[len(s.Points)-i].Y, t.Points[len(t.Points)-i].Y); by != 0 {
			return by
		}
	}
	return 0
}

// inset is how far a name among the lines is from its point.
const inset = 26

// names writes each series' name beside its point, with a line between the two.
func (c *Chart) names(s *svg, f frame, where place) {
	for _, n := range c.arrange(f, where) {
		s.open("g", "class", n.class())
		from, to := n.x+6, n.x+inset-4
		if where.last {
			from, to = f.right+6, f.right+28
		}
		s.element("path", "", "class", "leader", "d", path([][2]float64{{from, n.y}, {to - 4, n.at}, {to, n.at}}))
		s.element("text", n.Name, "class", "name", "x", to+4, "y", n.at+4)
		s.close("g")
	}
}
