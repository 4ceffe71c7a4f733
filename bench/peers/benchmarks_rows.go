package main

import (
	"fmt"
	"math"
	"strings"
)

func (r *results) outages(b *strings.Builder) {
	b.WriteString("## An outage: every attempt fails\n\n" +
		"That is when clients are loaded most. 16 callers, three attempts without a wait, a server that is another process: the\n" +
		"processor time (user and system), bytes and allocations are the client's alone.\n\n" +
		"![Processor time of a call in an outage](benchmarks-outage.svg)\n\n")
	for _, work := range []string{"e2e/outage-503", "e2e/outage-refused", "e2e/outage-grpc"} {
		table := newMarkdown("library", "CPU µs", "µs", "bytes", "allocations", "attempts per call", "note")
		for _, row := range r.of(work) {
			table.add(row.name(), micro(row.CPU), micro(row.NS), whole(row.Bytes), whole(row.Allocs),
				fmt.Sprintf("%.2f", row.Sent), row.note())
		}
		fmt.Fprintf(b, "`%s`: %s.\n\n%s\n", work, whatOf(work), table)
	}
}

func (r *results) bursts(b *strings.Builder) {
	b.WriteString("## A burst: a connection with 50 calls under way is cut\n\n" +
		"A fresh client, a connection that has answered once; three attempts, 10 ms apart. The time is until the last call has\n" +
		"ended.\n\n")
	for _, work := range []string{"e2e/burst-h2", "e2e/burst-grpc"} {
		table := newMarkdown("library", "saved of 50", "ms")
		for _, row := range r.of(work) {
			table.add(row.name(), fmt.Sprintf("%.0f", 50*row.Answered), fmt.Sprintf("%.1f", median(present(row.NS))/1e6))
		}
		fmt.Fprintf(b, "`%s`: %s.\n\n%s\n", work, whatOf(work), table)
	}
}

func (r *results) held(b *strings.Builder) {
	b.WriteString("## Memory\n\n" +
		"Bytes that stay on the heap for each of 10,000. Libraries without a budget have no state that grows.\n" +
		"`destinations` has a budget for each of 10,000 names: `Policy.For` with `WithMaxDestinations(10000)`, and a `sync.Map` of\n" +
		"policies for libraries without such a table. Its time is that of a call that succeeds.\n\n")
	for _, work := range []string{"memory/policy", "memory/transport", "destinations"} {
		table := newMarkdown("library", "bytes held", "ns", "allocations")
		for _, row := range r.of(work) {
			table.add(row.name(), whole(row.Held), nano(row.NS), whole(row.Allocs))
		}
		fmt.Fprintf(b, "`%s`: %s.\n\n%s\n", work, whatOf(work), table)
	}
}

// shown are the works that have a section of their own.
var shown = []string{"e2e/outage", "e2e/burst", "memory/", "destinations"}

// everyRow writes the works that have no section of their own.
func (r *results) everyRow(b *strings.Builder) {
	b.WriteString("## Every row\n\n" +
		"Times, bytes and allocations are of one call. CPU is user and system time of the process; empty where a processor spins\n" +
		"to keep timers exact. \"Of the best peer\" is the time over that peer's. \"None\" is the same work without a library, \"by\n" +
		"hand\" the least that anybody would write. What the rows are stands below the table.\n\n")
	table := newMarkdown("row", "library", "ns", "CPU ns", "bytes", "allocations", "of the best peer", "note")
	for _, w := range works() {
		if ownSection(w.name) {
			continue
		}
		name := w.name
		for _, row := range r.of(w.name) {
			table.add(name, row.name(), nano(row.NS), nano(row.CPU), whole(row.Bytes), whole(row.Allocs), ratioOf(row.Ratio), row.note())
			name = ""
		}
	}
	b.WriteString(table.String() + "\n")
	what := newMarkdown("row", "what it is")
	for _, w := range works() {
		if !ownSection(w.name) {
			what.add(w.name, w.what)
		}
	}
	b.WriteString(what.String() + "\n")
}

func ownSection(work string) bool {
	for _, prefix := range shown {
		if strings.HasPrefix(work, prefix) {
			return true
		}
	}
	return false
}

func whatOf(work string) string {
	for _, w := range works() {
		if w.name == work {
			return w.what
		}
	}
	return ""
}

// name returns the library, and says so if it is none.
func (r recordedRow) name() string {
	switch {
	case r.Library == evenkeel:
		return "**evenkeel**"
	case r.Library == "bare":
		return "_none_"
	case r.Kind == "bare":
		return "_" + r.Library + "_"
	}
	return r.Library
}

func (r recordedRow) note() string {
	var notes []string
	if r.Answered < 1 {
		notes = append(notes, fmt.Sprintf("%.1f %% answered well", 100*r.Answered))
	}
	if r.Kind == "inside" {
		notes = append(notes, "no peer: another interface")
	}
	if r.Fault != "" {
		notes = append(notes, r.Fault)
	}
	return strings.Join(notes, "; ")
}

func micro(s []float64) string {
	if len(present(s)) == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", median(present(s))/1e3)
}

func nano(s []float64) string {
	if len(present(s)) == 0 {
		return ""
	}
	return figure(median(present(s)))
}

func whole(f float64) string { return fmt.Sprintf("%.0f", math.Abs(f)) }

func ratioOf(s []float64) string {
	if len(present(s)) == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", median(present(s)))
}

// markdown is a table.
type markdown struct{ strings.Builder }

func newMarkdown(columns ...string) *markdown {
	m := new(markdown)
	m.add(columns...)
	m.WriteString("|" + strings.Repeat(" - |", len(columns)) + "\n")
	return m
}

func (m *markdown) add(cells ...string) {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(c, "|", "\\|")
	}
	m.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}
