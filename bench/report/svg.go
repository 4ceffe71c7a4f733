package report

import (
	"fmt"
	"html"
	"strconv"
	"strings"
)

// svg is elements written one after the other. All text and all attributes are escaped.
type svg struct{ strings.Builder }

// element writes an element with a text in it. Attributes are names and values in turn; a value is
// a string, or a float64, which is written with one digit after the point.
func (s *svg) element(name, text string, attrs ...any) {
	s.tag(name, attrs)
	if text == "" {
		s.WriteString("/>")
		return
	}
	s.WriteString(">" + html.EscapeString(text))
	s.close(name)
}

func (s *svg) open(name string, attrs ...any) {
	s.tag(name, attrs)
	s.WriteString(">")
}

func (s *svg) close(name string) { s.WriteString("</" + name + ">") }

func (s *svg) tag(name string, attrs []any) {
	s.WriteString("<" + name)
	for i := 0; i < len(attrs); i += 2 {
		fmt.Fprintf(s, ` %s="%s"`, attrs[i], html.EscapeString(attribute(attrs[i+1])))
	}
}

// draw draws the marker around a point; r is how far it reaches.
func (m Marker) draw(s *svg, class string, x, y, r float64) {
	corners := map[Marker][][2]float64{
		Square:   {{-.9, -.9}, {.9, -.9}, {.9, .9}, {-.9, .9}},
		Triangle: {{0, -1.2}, {1.15, .9}, {-1.15, .9}},
		Diamond:  {{0, -1.3}, {1.3, 0}, {0, 1.3}, {-1.3, 0}},
	}[m%markers]
	if corners == nil {
		s.element("circle", "", "class", class, "cx", x, "cy", y, "r", r)
		return
	}
	points := make([][2]float64, len(corners))
	for i, c := range corners {
		points[i] = [2]float64{x + r*c[0], y + r*c[1]}
	}
	s.element("path", "", "class", class, "d", path(points)+"Z")
}

// raw writes what is markup already.
func (s *svg) raw(markup string) { s.WriteString(markup) }

func attribute(v any) string {
	if f, ok := v.(float64); ok {
		return short(f)
	}
	return fmt.Sprint(v)
}

func short(f float64) string {
	s := strconv.FormatFloat(f, 'f', 1, 64)
	return strings.TrimSuffix(s, ".0")
}

// path returns straight lines through points.
func path(points [][2]float64) string {
	var b strings.Builder
	for i, p := range points {
		command := "L"
		if i == 0 {
			command = "M"
		}
		b.WriteString(command + short(p[0]) + " " + short(p[1]))
	}
	return b.String()
}
