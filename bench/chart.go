package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// chart is what a picture shows, apart from how wide it is drawn.
type chart struct {
	id, title, desc string

	rows     []string // dots: the categories, from top to bottom; nil: a chart of lines
	x, y     axis     // dots have no y
	series   []series
	nameless bool // the rows say which series is which
}

// series is the points of one policy, or of one metric.
type series struct {
	name, class string
	points      []point
}

// point is a figure; those that never happen are infinite.
type point struct {
	x, y      float64 // dots: y is the number of the row
	published float64 // what the source has in place of y (dots: of x); NaN: nothing
	quoted    bool    // published only
}

// dots says that figures run from left to right, a row a category.
func (c *chart) dots() bool { return c.rows != nil }

const (
	wide, narrow = 860., 350. // the widths that charts are drawn for, in pixels
	fontSize     = 13.
	lineHeight   = 17.
)

// textWidth is about how wide a text is, whatever sans serif font there is.
func textWidth(s string) float64 { return .58 * fontSize * float64(utf8.RuneCountInString(s)) }

// clipped is a name that leaves room for the plot: the name of a policy is as long as a user's file's.
func clipped(s string) string {
	const most = 32
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

func widest(texts []string) float64 {
	w := 0.
	for _, t := range texts {
		w = max(w, textWidth(t))
	}
	return w
}

// frame is where the plot is within the picture.
type frame struct{ left, right, top, bottom float64 }

func (f frame) x(part float64) float64 { return f.left + part*(f.right-f.left) }
func (f frame) y(part float64) float64 { return f.bottom - part*(f.bottom-f.top) }

// draw is the picture. Names stand beside the ends of lines where there is room, and in a legend otherwise.
// A picture that stands alone, in a file, brings its own style and background.
func (c *chart) draw(width float64, alone bool) string {
	var body svg
	var height float64
	if c.dots() {
		height = c.drawDots(&body, width)
	} else {
		height = c.drawLines(&body, width)
	}
	top := 0.
	if alone {
		top = 34 // the title is not in the page around it
	}
	var s svg
	id := fmt.Sprintf("%s-%.0f", c.id, width)
	attrs := []any{
		"viewBox", fmt.Sprintf("0 %.0f %.0f %.0f", -top, width, height+top), "class", "chart", "role", "img",
		"aria-labelledby", id + "-t " + id + "-d",
	}
	if alone {
		attrs = append(attrs, "xmlns", "http://www.w3.org/2000/svg", "width", width, "height", height+top)
	}
	s.open("svg", attrs...)
	s.element("title", c.title, "id", id+"-t")
	s.element("desc", c.desc, "id", id+"-d")
	if alone {
		s.raw("<style>" + chartCSS + "</style>")
		s.element("rect", "", "class", "paper", "x", 0., "y", -top, "width", width, "height", height+top, "rx", 8.)
		s.element("text", c.title, "class", "title", "x", 16., "y", -10.)
	}
	s.raw(body.String())
	s.close("svg")
	return s.String()
}

// legend draws the names in columns from y down, and below them what the signs mean. It returns where it ends.
func (c *chart) legend(s *svg, width, y float64, names bool) float64 {
	if (!names || c.nameless) && !c.compares() {
		return y - 12
	}
	x := 12.
	place := func(w float64, sign func(x, y float64), text string) {
		if x > 12 && x+w > width-8 {
			x, y = 12, y+lineHeight+3
		}
		sign(x, y-4)
		s.element("text", text, "x", x+26, "y", y)
		x += w
	}
	if names && !c.nameless {
		column := 0.
		for _, one := range c.series {
			column = max(column, textWidth(one.name)+42)
		}
		for _, one := range c.series {
			place(column, func(x, y float64) {
				if !c.dots() {
					s.element("line", "", "class", "line "+one.class, "x1", x, "y1", y, "x2", x+20, "y2", y)
				}
				s.element("circle", "", "class", "dot "+one.class, "cx", x+10, "cy", y, "r", 4.)
			}, one.name)
		}
	}
	if c.compares() {
		if x > 12 {
			x, y = 12, y+lineHeight+3
		}
		place(110, func(x, y float64) { s.element("circle", "", "class", "dot key", "cx", x+10, "cy", y, "r", 4.) }, "measured")
		place(110, func(x, y float64) { s.element("circle", "", "class", "ring key", "cx", x+10, "cy", y, "r", 6.) }, "published")
	}
	return y + 10
}

// compares reports whether anything published is on the chart.
func (c *chart) compares() bool {
	return slices.ContainsFunc(c.series, func(s series) bool {
		return slices.ContainsFunc(s.points, func(p point) bool { return !math.IsNaN(p.published) })
	})
}

// inOrder is the series as they are drawn: ours last, on top.
func (c *chart) inOrder() []series {
	ordered := slices.Clone(c.series)
	slices.SortStableFunc(ordered, func(a, b series) int { return strings.Compare(layer(a.class), layer(b.class)) })
	return ordered
}

func layer(class string) string {
	if strings.HasPrefix(class, "c") {
		return "below"
	}
	return "top"
}
