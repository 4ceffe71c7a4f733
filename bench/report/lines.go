package report

import "math"

// drawLines draws a line a series over a numeric param. Where there is room, the names stand where
// the lines diverge; otherwise they are in a legend.
func (c *Chart) drawLines(s *svg, width float64) (height float64) {
	beside := width >= wide
	f := frame{left: max(44, widest(c.Y.texts())+14), right: width - 16, top: 30, bottom: 400}
	if !beside {
		f.bottom = 270
	}
	where := c.divergence(f)
	if beside && where.last {
		var names []string
		for _, one := range c.Series {
			names = append(names, one.Name)
		}
		f.right = width - widest(names) - 46
	}
	c.grid(s, f)
	for _, one := range c.inOrder() {
		c.line(s, f, one)
	}
	if beside {
		c.names(s, f, where)
	}
	return c.legend(s, width, f.bottom+66, !beside)
}

// grid draws both axes.
func (c *Chart) grid(s *svg, f frame) {
	s.element("text", c.Y.Label, "class", "label", "x", 8., "y", 16.)
	free := math.Inf(1)
	for _, v := range c.Y.ticks() {
		y := f.y(c.Y.part(v))
		s.element("line", "", "class", "grid", "x1", f.left, "y1", y, "x2", f.right, "y2", y)
		if y < free-lineHeight+3 {
			free = y
			s.element("text", c.Y.text(v), "class", "end", "x", f.left-8, "y", y+4)
		}
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
	free, never := math.Inf(-1), f.x(c.X.part(math.Inf(1)))-textWidth("never")/2
	for _, v := range c.X.ticks() {
		x, text := f.x(c.X.part(v)), c.X.text(v)
		if lines {
			s.element("line", "", "class", "grid", "x1", x, "y1", f.top, "x2", x, "y2", f.bottom)
		}
		half := textWidth(text) / 2
		if x-half < free || c.X.never && x+half > never-6 {
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
	s.open("g", "class", one.class())
	if len(points) > 1 {
		s.element("path", "", "class", "line", "d", path(points))
	}
	for i, p := range one.Points {
		if !math.IsNaN(p.Published) {
			one.Marker.draw(s, "ring", points[i][0], f.y(c.Y.part(p.Published)), 6)
		}
		one.Marker.draw(s, "dot", points[i][0], points[i][1], 3)
	}
	s.close("g")
}
