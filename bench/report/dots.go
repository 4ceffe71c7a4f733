package report

import "math"

// drawDots draws a row a category, and in it a dot a series, each a little lower than the one
// before.
func (c *Chart) drawDots(s *svg, width float64) (height float64) {
	beside := width >= wide
	half := widest(c.X.texts())/2 + 4
	f := frame{left: half, right: width - half, top: 8}
	if beside {
		f.left = widest(c.Rows) + 24
	}
	apart := 8.
	if c.Nameless || c.shared() {
		apart = 0
	}
	row := max(26, apart*float64(len(c.Series)-1)+18)
	above := 0. // room for the category's name where it does not stand beside
	if !beside {
		above = lineHeight
		row += above
	}
	f.bottom = f.top + row*float64(len(c.Rows)) + 4
	c.ticksBelow(s, f, true)
	for i, name := range c.Rows {
		top := f.top + row*float64(i)
		s.element("line", "", "class", "grid", "x1", 8., "y1", top, "x2", f.right, "y2", top)
		if beside {
			s.element("text", name, "class", "end", "x", f.left-12, "y", top+row/2+4)
		} else {
			s.element("text", name, "x", 8., "y", top+14)
		}
	}
	for j, one := range c.Series {
		shift := (float64(j) - float64(len(c.Series)-1)/2) * apart
		s.open("g", "class", one.class())
		for _, p := range one.Points {
			y := f.top + row*p.Y + above + (row-above)/2 + shift
			if !math.IsNaN(p.Published) {
				one.Marker.draw(s, "ring", f.x(c.X.part(p.Published)), y, 6.5)
			}
			if !p.Quoted {
				one.Marker.draw(s, "dot", f.x(c.X.part(p.X)), y, 4)
			}
		}
		s.close("g")
	}
	return c.legend(s, width, f.bottom+66, true)
}

// shared reports whether the series are percentiles, which follow one another on one line.
func (c *Chart) shared() bool { return len(c.Series) > 0 && c.Series[0].Name == "p50 ms" }
