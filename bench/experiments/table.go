package experiments

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// table is text in columns: the first is flush left, the others right.
type table struct {
	keys   int   // the first columns, which name the line
	groups []int // where the groups of the other columns begin that must stay together
	lines  [][]string
}

func (t *table) add(cells ...string) { t.lines = append(t.lines, cells) }

func (t *table) group(column int) { t.groups = append(t.groups, column) }

// write writes the table in as many parts as its width needs. Each part has the columns that name
// the lines.
func (t *table) write(w io.Writer, width int) {
	widths := t.widths()
	room := width - sum(widths[:t.keys]) - 2*t.keys // two spaces before each column
	groups := append(slices.Clone(t.groups), len(widths))
	for first := 0; first < len(groups)-1; {
		last, used := first, 0
		for last < len(groups)-1 {
			part := widths[groups[last]:groups[last+1]]
			used += sum(part) + 2*len(part)
			if used > room && last > first {
				break
			}
			last++
		}
		if first > 0 {
			fmt.Fprintln(w)
		}
		t.part(w, widths, groups[first], groups[last])
		first = last
	}
}

func sum(widths []int) (all int) {
	for _, w := range widths {
		all += w
	}
	return all
}

func (t *table) widths() []int {
	var widths []int
	for _, line := range t.lines {
		for i, cell := range line {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// part writes the columns that name the lines and those from one to another.
func (t *table) part(w io.Writer, widths []int, from, to int) {
	for _, line := range t.lines {
		var b strings.Builder
		for i, cell := range line {
			if i >= t.keys && (i < from || i >= to) {
				continue
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString("  " + cell + pad)
			} else {
				b.WriteString("  " + pad + cell)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

// Table returns the rows as text: the first line is the heading.
func (p Performed) Table() [][]string { return p.table().lines }

func (p Performed) table() *table {
	if p.Pivot != "" {
		return pivoted(p)
	}
	return flat(p)
}

// brief has the rows that a terminal has room for.
func (p Performed) brief() Performed {
	if p.Brief != nil {
		p.Rows = slices.DeleteFunc(slices.Clone(p.Rows), func(r Row) bool { return !p.Brief(r) })
	}
	return p
}

// flat has a line a row: each metric, what was published of it, and whether they agree.
func flat(r Performed) *table {
	t := table{keys: 1 + len(r.Params)}
	head := append([]string{"policy"}, r.Params...)
	published := map[string]bool{}
	for _, m := range r.Metrics {
		t.group(len(head))
		head = append(head, m.label())
		for _, row := range r.Rows {
			if _, ok := row.Published[m.Name]; ok {
				published[m.Name] = true
			}
		}
		if published[m.Name] {
			head = append(head, "published", "")
		}
	}
	t.add(head...)
	for _, row := range r.Rows {
		line := []string{row.Policy}
		for _, p := range r.Params {
			line = append(line, param(row.Params[p]))
		}
		for _, m := range r.Metrics {
			line = append(line, m.text(row)+barMark(row, m.Name))
			if published[m.Name] {
				line = append(line, m.published(row), mark(row, m.Name))
			}
		}
		t.add(line...)
	}
	return &t
}

// pivoted has a column for each value of the pivot, and under each policy's line the published
// one.
func pivoted(r Performed) *table {
	var (
		t        = table{keys: 1}
		columns  []string
		policies []string
		cells    = map[string]map[string]Row{}
	)
	for _, row := range r.Rows {
		column, name := param(row.Params[r.Pivot]), lineName(r, row)
		if !slices.Contains(columns, column) {
			columns = append(columns, column)
		}
		if cells[name] == nil {
			policies = append(policies, name)
			cells[name] = map[string]Row{}
		}
		cells[name][column] = row
	}
	var labels []string
	for _, m := range r.Metrics {
		labels = append(labels, m.label())
	}
	head := []string{strings.Join(labels, " / ")}
	for _, c := range columns {
		t.group(len(head))
		head = append(head, r.Pivot+"="+c)
	}
	t.group(len(head))
	t.add(append(head, "most off")...)
	for _, name := range policies {
		pivotLines(&t, r.Metrics, name, columns, cells[name])
	}
	return &t
}

// lineName returns the policy, and the params that are not columns.
func lineName(r Performed, row Row) string {
	name := row.Policy
	for _, p := range r.Params {
		if p != r.Pivot {
			name += " " + param(row.Params[p])
		}
	}
	return name
}

func pivotLines(t *table, metrics []Metric, name string, columns []string, cells map[string]Row) {
	ours, theirs := []string{name}, []string{"  published"}
	worst, most, agrees, compared := 0.0, "", true, false
	for _, c := range columns {
		row, ok := cells[c]
		if !ok {
			ours, theirs = append(ours, ""), append(theirs, "")
			continue
		}
		var have, want []string
		bad := false
		for _, m := range metrics {
			have = append(have, m.text(row))
			if d, ok := row.Difference(m.Name); ok {
				compared = true
				want = append(want, m.published(row))
				if used := math.Abs(d) / max(row.near(m.Name), 1e-9); used >= worst {
					worst, most = used, orWord(math.Abs(d), m.Format)
				}
				near, _ := row.Agrees(m.Name)
				agrees = agrees && near
			}
			if holds, ok := row.Holds(m.Name); ok && !holds {
				bad = true
			}
		}
		cell := strings.Join(have, "/")
		if bad {
			cell += "!"
		}
		ours, theirs = append(ours, cell), append(theirs, strings.Join(want, "/"))
	}
	if !compared {
		t.add(ours...)
		return
	}
	sign := "✓"
	if !agrees {
		sign = "✗"
	}
	t.add(append(ours, most+" "+sign)...)
	t.add(theirs...)
}

func (m Metric) label() string { return cmp.Or(m.Label, m.Name) }

func (m Metric) text(row Row) string {
	v, ok := row.Metrics[m.Name]
	if !ok {
		return ""
	}
	return orWord(orNever(v), m.Format)
}

func (m Metric) published(row Row) string {
	v, ok := row.Published[m.Name]
	if !ok {
		return ""
	}
	return orWord(v, m.Format)
}

func mark(row Row, metric string) string {
	switch agrees, ok := row.Agrees(metric); {
	case !ok:
		return ""
	case agrees:
		return "✓"
	}
	return "✗"
}

// barMark returns an exclamation mark after a figure that misses its bar.
func barMark(row Row, metric string) string {
	if holds, ok := row.Holds(metric); ok && !holds {
		return "!"
	}
	return ""
}

func param(v any) string { return fmt.Sprint(v) }
