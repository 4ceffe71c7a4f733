package main

import "math"

// drawDots draws a row a category, and in it a dot a series, each a little lower than the one before.
func (c *chart) drawDots(s *svg, width float64) (height float64) {
	beside := width >= wide
	half := widest(c.x.texts())/2 + 4
	f := frame{left: half, right: width - half, top: 8}
	if beside {
		f.left = widest(c.rows) + 24
	}
	apart := 8.
	if c.nameless || c.shared() {
		apart = 0
	}
	row := max(26, apart*float64(len(c.series)-1)+18)
	above := 0. // room for the category's name where it does not stand beside
	if !beside {
		above = lineHeight
		row += above
	}
	f.bottom = f.top + row*float64(len(c.rows)) + 4
	c.ticksBelow(s, f, true)
	for i, name := range c.rows {
		top := f.top + row*float64(i)
		s.element("line", "", "class", "grid", "x1", 8., "y1", top, "x2", f.right, "y2", top)
		if beside {
			s.element("text", name, "class", "end", "x", f.left-12, "y", top+row/2+4)
		} else {
			s.element("text", name, "x", 8., "y", top+14)
		}
	}
	for j, one := range c.series {
		shift := (float64(j) - float64(len(c.series)-1)/2) * apart
		s.open("g", "class", one.class)
		for _, p := range one.points {
			y := f.top + row*p.y + above + (row-above)/2 + shift
			if !math.IsNaN(p.published) {
				s.element("circle", "", "class", "ring", "cx", f.x(c.x.part(p.published)), "cy", y, "r", 6.5)
			}
			if !p.quoted {
				s.element("circle", "", "class", "dot", "cx", f.x(c.x.part(p.x)), "cy", y, "r", 4.)
			}
		}
		s.close("g")
	}
	return c.legend(s, width, f.bottom+66, true)
}

// shared reports whether the series are percentiles, which follow one another on one line.
func (c *chart) shared() bool { return len(c.series) > 0 && c.series[0].name == "p50 ms" }
