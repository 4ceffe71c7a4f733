package report

import (
	"cmp"
	"math"
	"slices"
)

// drawLines draws a line a series over a numeric param.
func (c *Chart) drawLines(s *svg, width float64) (height float64) {
	beside := width >= wide
	f := frame{left: max(44, widest(c.Y.texts())+14), right: width - 16, top: 30, bottom: 400}
	if beside {
		var names []string
		for _, one := range c.Series {
			names = append(names, one.Name)
		}
		f.right = width - widest(names) - 46
	} else {
		f.bottom = 270
	}
	c.grid(s, f)
	for _, one := range c.inOrder() {
		c.line(s, f, one)
	}
	if beside {
		c.names(s, f)
	}
	return c.legend(s, width, f.bottom+66, !beside)
}

// grid draws both axes.
func (c *Chart) grid(s *svg, f frame) {
	s.element("text", c.Y.Label, "class", "label", "x", 8., "y", 16.)
	for _, v := range c.Y.ticks() {
		y := f.y(c.Y.part(v))
		s.element("line", "", "class", "grid", "x1", f.left, "y1", y, "x2", f.right, "y2", y)
		s.element("text", c.Y.text(v), "class", "end", "x", f.left-8, "y", y+4)
	}
	if c.Y.never {
		y := f.y(c.Y.part(math.Inf(1)))
		s.element("line", "", "class", "never", "x1", f.left, "y1", y, "x2", f.right, "y2", y)
		s.element("text", "never", "class", "end", "x", f.left-8, "y", y+4)
	}
	c.ticksBelow(s, f, false)
}

// ticksBelow writes the x axis, leaving out what would run into the tick before.
func (c *Chart) ticksBelow(s *svg, f frame, lines bool) {
	free := math.Inf(-1)
	for _, v := range c.X.ticks() {
		x, text := f.x(c.X.part(v)), c.X.text(v)
		if lines {
			s.element("line", "", "class", "grid", "x1", x, "y1", f.top, "x2", x, "y2", f.bottom)
		}
		half := textWidth(text) / 2
		if x-half < free {
			continue
		}
		free = x + half + 6
		s.element("text", text, "class", "middle", "x", x, "y", f.bottom+20)
	}
	if c.X.never {
		x := f.x(c.X.part(math.Inf(1)))
		s.element("line", "", "class", "never", "x1", x, "y1", f.top, "x2", x, "y2", f.bottom)
		s.element("text", "never", "class", "middle", "x", x, "y", f.bottom+20)
	}
	s.element("text", c.X.Label, "class", "label middle", "x", (f.left+f.right)/2, "y", f.bottom+40)
}

func (c *Chart) line(s *svg, f frame, one Series) {
	var points [][2]float64
	for _, p := range one.Points {
		points = append(points, [2]float64{f.x(c.X.part(p.X)), f.y(c.Y.part(p.Y))})
	}
	s.open("g", "class", one.Class)
	if len(points) > 1 {
		s.element("path", "", "class", "line", "d", path(points))
	}
	for i, p := range one.Points {
		if !math.IsNaN(p.Published) {
			s.element("circle", "", "class", "ring", "cx", points[i][0], "cy", f.y(c.Y.part(p.Published)), "r", 6.)
		}
		s.element("circle", "", "class", "dot", "cx", points[i][0], "cy", points[i][1], "r", 3.)
	}
	s.close("g")
}

// compare is by the last figures, and where these are equal by those before.
func (s Series) compare(t Series) int {
	for i := 1; i <= min(len(s.Points), len(t.Points)); i++ {
		if by := cmp.Compare(s.Points[len(s.Points)-i].Y, t.Points[len(t.Points)-i].Y); by != 0 {
			return by
		}
	}
	return 0
}

// names writes each series' name beside the end of its line, moved apart where lines end together.
func (c *Chart) names(s *svg, f frame) {
	type name struct {
		Series
		end, at float64
	}
	var all []name
	for _, one := range c.Series {
		end := f.y(c.Y.part(one.Points[len(one.Points)-1].Y))
		all = append(all, name{one, end, end})
	}
	slices.SortStableFunc(all, func(a, b name) int { return -a.compare(b.Series) })
	for i := 1; i < len(all); i++ {
		all[i].at = max(all[i].at, all[i-1].at+lineHeight-2)
	}
	lowest := f.bottom + 4
	for i := len(all) - 1; i >= 0; i-- {
		all[i].at = min(all[i].at, lowest)
		lowest = all[i].at - lineHeight + 2
	}
	for _, n := range all {
		s.open("g", "class", n.Class)
		s.element("path", "", "class", "leader", "d", path([][2]float64{{f.right + 6, n.end}, {f.right + 22, n.at}, {f.right + 28, n.at}}))
		s.element("text", n.Name, "class", "name", "x", f.right+32, "y", n.at+4)
		s.close("g")
	}
}
