package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// Chart is the content of a picture, without its width.
type Chart struct {
	ID, Title, Desc string

	Rows     []string // dots: the categories, from top to bottom; nil: a chart of lines
	X, Y     Axis     // dots have no Y
	Series   []Series
	Nameless bool // the rows say which series is which
}

// Series is the points of one policy, or of one metric. Its tone and its marker together tell it
// from the others.
type Series struct {
	Name   string
	Tone   Tone
	Marker Marker
	Points []Point
}

// Tone is one of the style sheet's colors, which the color-blind can tell apart.
type Tone string

// The tones: gray, four for others, one for evenkeel and one for the policies of a user.
const (
	Grey   Tone = "c0"
	Red    Tone = "c1"
	Ochre  Tone = "c2"
	Green  Tone = "c3"
	Purple Tone = "c4"
	Us     Tone = "us"
	You    Tone = "you"
)

// Marker is the shape of a series' points, for series of one tone.
type Marker int

// The markers.
const (
	Circle Marker = iota
	Square
	Triangle
	Diamond
	markers
)

// class returns the tone and the marker for the style sheet.
func (s Series) class() string { return fmt.Sprintf("%s m%d", s.Tone, s.Marker%markers) }

// Point is a figure; those that never happen are infinite.
type Point struct {
	X, Y      float64 // dots: Y is the number of the row
	Published float64 // what the source has in place of Y (dots: of X); NaN: nothing
	Quoted    bool    // published only
}

// Dots reports whether figures run from left to right, a row a category.
func (c *Chart) Dots() bool { return c.Rows != nil }

const (
	wide, narrow = 860., 350. // the widths that charts are drawn for, in pixels
	fontSize     = 13.
	lineHeight   = 17.
)

// textWidth estimates the width of a text, whatever sans serif font there is.
func textWidth(s string) float64 { return .58 * fontSize * float64(utf8.RuneCountInString(s)) }

// Clipped returns a name that leaves room for the plot: the name of a policy is as long as a
// user's file's.
func Clipped(s string) string {
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

// frame is the area of the plot within the picture.
type frame struct{ left, right, top, bottom float64 }

func (f frame) x(part float64) float64 { return f.left + part*(f.right-f.left) }
func (f frame) y(part float64) float64 { return f.bottom - part*(f.bottom-f.top) }

// SVG draws the picture as a file of its own.
func (c *Chart) SVG() string { return c.draw(wide, true) }

// draw returns the picture. Names stand beside the ends of lines where there is room, and in a
// legend otherwise. A picture that stands alone, in a file, brings its own style and background.
func (c *Chart) draw(width float64, alone bool) string {
	var body svg
	var height float64
	if c.Dots() {
		height = c.drawDots(&body, width)
	} else {
		height = c.drawLines(&body, width)
	}
	top := 0.
	if alone {
		top = 34 // the title is not in the page around it
	}
	var s svg
	id := fmt.Sprintf("%s-%.0f", c.ID, width)
	attrs := []any{
		"viewBox", fmt.Sprintf("0 %.0f %.0f %.0f", -top, width, height+top), "class", "chart", "role", "img",
		"aria-labelledby", id + "-t " + id + "-d",
	}
	if alone {
		attrs = append(attrs, "xmlns", "http://www.w3.org/2000/svg", "width", width, "height", height+top)
	}
	s.open("svg", attrs...)
	s.element("title", c.Title, "id", id+"-t")
	s.element("desc", c.Desc, "id", id+"-d")
	if alone {
		s.raw("<style>" + chartCSS + "</style>")
		s.element("rect", "", "class", "paper", "x", 0., "y", -top, "width", width, "height", height+top, "rx", 8.)
		s.element("text", c.Title, "class", "title", "x", 16., "y", -10.)
	}
	s.raw(body.String())
	s.close("svg")
	return s.String()
}

// legend draws the names in columns from y down, and below them what the signs mean. It returns
// where it ends.
func (c *Chart) legend(s *svg, width, y float64, names bool) float64 {
	if (!names || c.Nameless) && !c.compares() {
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
	if names && !c.Nameless {
		column := 0.
		for _, one := range c.Series {
			column = max(column, textWidth(one.Name)+42)
		}
		for _, one := range c.Series {
			place(column, func(x, y float64) {
				s.open("g", "class", one.class())
				if !c.Dots() {
					s.element("line", "", "class", "line", "x1", x, "y1", y, "x2", x+20, "y2", y)
				}
				one.Marker.draw(s, "dot", x+10, y, 4)
				s.close("g")
			}, one.Name)
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
func (c *Chart) compares() bool {
	return slices.ContainsFunc(c.Series, func(s Series) bool {
		return slices.ContainsFunc(s.Points, func(p Point) bool { return !math.IsNaN(p.Published) })
	})
}

// inOrder returns the series as they are drawn: ours last, on top.
func (c *Chart) inOrder() []Series {
	ordered := slices.Clone(c.Series)
	slices.SortStableFunc(ordered, func(a, b Series) int { return cmp.Compare(a.Tone.layer(), b.Tone.layer()) })
	return ordered
}

func (t Tone) layer() int {
	switch t {
	case Us:
		return 2
	case You:
		return 1
	}
	return 0
}
