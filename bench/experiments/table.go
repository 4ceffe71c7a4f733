package experiments

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// PrintTables writes all results for a reader.
func PrintTables(w io.Writer, results []Performed) error {
	b := bufio.NewWriter(w)
	compared, agreed := 0, 0
	for _, r := range results {
		fmt.Fprintf(b, "%s: %s\n", r.Name, r.About)
		for _, line := range []string{r.Setup, "Source: " + r.Source} {
			for _, part := range wrap(line, 110) {
				fmt.Fprintln(b, "  "+part)
			}
		}
		if r.Err != nil {
			fmt.Fprintf(b, "  failed: %v\n\n", r.Err)
			continue
		}
		tableOf(r).write(b)
		c, a := agreement(r.Rows)
		compared, agreed = compared+c, agreed+a
		fmt.Fprintf(b, "  %s\n\n", verdict(c, a, r.Rows, r.Took))
	}
	if len(results) > 1 && compared > 0 {
		fmt.Fprintf(b, "%d of %d published figures agree.\n", agreed, compared)
	}
	return b.Flush()
}

// wrap breaks text into lines of at most width, where it has spaces.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

func agreement(rows []Row) (compared, agreed int) {
	for _, row := range rows {
		for m := range row.Published {
			if ok, _ := row.Agrees(m); ok {
				agreed++
			}
			compared++
		}
	}
	return compared, agreed
}

// Verdict returns what the figures come to. It has nothing that differs between two runs with the same figures.
func Verdict(rows []Row) string {
	compared, agreed := agreement(rows)
	text := verdict(compared, agreed, rows, 0)
	return strings.TrimSuffix(strings.TrimSuffix(text, "0.0 s"), "; ")
}

func verdict(compared, agreed int, rows []Row, took time.Duration) string {
	var parts []string
	if compared > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d published figures agree", agreed, compared))
	}
	bars, held := 0, 0
	for _, row := range rows {
		for m := range row.Bars {
			bars++
			if ok, _ := row.Holds(m); ok {
				held++
			}
		}
	}
	if bars > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d bars held", held, bars))
	}
	parts = append(parts, fmt.Sprintf("%.1f s", took.Seconds()))
	return strings.Join(parts, "; ")
}

// table is text in columns: the first is flush left, the others right.
type table struct{ lines [][]string }

func (t *table) add(cells ...string) { t.lines = append(t.lines, cells) }

func (t *table) write(w io.Writer) {
	var widths []int
	for _, line := range t.lines {
		for i, cell := range line {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range t.lines {
		var b strings.Builder
		for i, cell := range line {
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
func Table(r Performed) [][]string { return tableOf(r).lines }

func tableOf(r Performed) *table {
	if r.Pivot != "" {
		return pivoted(r)
	}
	return flat(r)
}

// flat has a line a row: each metric, what was published of it, and whether they agree.
func flat(r Performed) *table {
	var t table
	head := append([]string{"policy"}, r.Params...)
	published := map[string]bool{}
	for _, m := range r.Metrics {
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

// pivoted has a column for each value of the pivot, and under each policy's line the published one.
func pivoted(r Performed) *table {
	var (
		t        table
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
		head = append(head, r.Pivot+"="+c)
	}
	t.add(append(head, "most off")...)
	for _, name := range policies {
		pivotLines(&t, r.Metrics, name, columns, cells[name])
	}
	return &t
}

// lineName is the policy, and the params that are not columns.
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
					worst, most = used, m.Format(math.Abs(d))
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

func (m Metric) label() string {
	if m.Label != "" {
		return m.Label
	}
	return m.Name
}

func (m Metric) text(row Row) string {
	v, ok := row.Metrics[m.Name]
	switch {
	case !ok:
		return ""
	case v == nil:
		return "never"
	}
	return m.Format(*v)
}

func (m Metric) published(row Row) string {
	v, ok := row.Published[m.Name]
	switch {
	case !ok:
		return ""
	case math.IsInf(v, 1):
		return "never"
	}
	return m.Format(v)
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

// barMark is an exclamation mark after a figure that misses its bar.
func barMark(row Row, metric string) string {
	if holds, ok := row.Holds(metric); ok && !holds {
		return "!"
	}
	return ""
}

func param(v any) string { return fmt.Sprint(v) }
