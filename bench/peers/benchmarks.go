package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// makePage writes docs/benchmarks.md and its pictures beside it from recorded results.
func makePage(from, file string) error {
	r, err := load(from)
	if err != nil {
		return err
	}
	if len(r.Runs) == 0 {
		return fmt.Errorf("%s has no run: record one first", from)
	}
	for name, text := range r.files() {
		if err := os.WriteFile(filepath.Join(filepath.Dir(file), name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(file, []byte(r.page()), 0o644)
}

// files returns the pictures of the page, by name.
func (r *results) files() map[string]string {
	return map[string]string{
		"benchmarks.svg":        r.timesChart(),
		"benchmarks-outage.svg": r.outageChart(),
	}
}

// page returns the page in Markdown.
func (r *results) page() string {
	var b strings.Builder
	b.WriteString(pageHead)
	r.howMeasured(&b)
	r.deciding(&b)
	r.outages(&b)
	r.bursts(&b)
	r.held(&b)
	r.everyRow(&b)
	r.caseTable(&b)
	r.lawTable(&b)
	return b.String()
}

const pageHead = `# Beside other libraries

<!-- Made by: go -C bench/peers run . -page ../../docs/benchmarks.md -->

The same work, done by evenkeel with its default budget and by the libraries that Go programs use today, in one run.
` + "`go -C bench/peers run . -record results.json`" + ` adds a run, ` + "`-cases -record results.json`" + ` the cases, and
` + "`-page ../../docs/benchmarks.md`" + ` makes this page of them. How it is measured:
[ADR 30](adr/0030-how-peers-are-measured.md).

`

const leftOut = `connect-go has no retries of its own. bhope/hedge and hedgedgrpc are missing: the module proxy that this was built with
does not have them. resty and req are measured by their own clients, since they are no RoundTripper; in the cases an adaptor
sends each request with them.

`

func (r *results) howMeasured(b *strings.Builder) {
	m := r.Runs[len(r.Runs)-1].Machine
	var loads, names, commands []string
	for _, run := range r.Runs {
		loads, commands = append(loads, run.Machine.Load), append(commands, "`"+run.Command+"`")
	}
	for _, v := range r.Versions {
		names = append(names, strings.TrimSpace(v.Library+" "+strings.TrimPrefix(v.Version, "v")))
	}
	fmt.Fprintf(b, "Measured on %s, %d processors, %s, %s, kernel %s; %d runs:\n%s.\n", m.CPU, m.Processors, m.Go, m.System,
		m.Kernel, len(r.Runs), strings.Join(commands, ",\n"))
	fmt.Fprintf(b, "Other programs ran beside them: the load averages when the runs began were %s. A figure is the median of the\n"+
		"runs, each the median of its rounds. Times of different rows, and of different pages, do not compare; ratios of one row\n"+
		"do. \"All processors\" are %d here, so that the rows of two and of all are the same.\n\n", strings.Join(loads, ", "), m.Processors)
	fmt.Fprintf(b, "Libraries: %s.\n\n", strings.Join(names, ", "))
	b.WriteString(leftOut)
}

// deciding writes the bars and what became of them.
func (r *results) deciding(b *strings.Builder) {
	b.WriteString("## The bars\n\n")
	b.WriteString("The goals are: a call costs at most what it costs with the best peer that does the same job; where all goes well, at\n" +
		"most 1.3 of what anybody would write by hand; over loopback, at least 0.97 of the throughput of no library at all (0.88\n" +
		"where one answer in ten is a 503). Each row of the table is one bar, and [every row](#every-row) says what is measured in\n" +
		"it. A bar holds if it does in two of three runs; those that do not are bold. \"By CPU\" is the same ratio of processor\n" +
		"times, which other programs on the machine disturb less. The last column has the [laws](#laws-that-peers-skip) that the\n" +
		"peer does not keep, and so does not pay for.\n\n")
	b.WriteString("![Time of a call over the time of the best peer](benchmarks.svg)\n\n")
	table := newMarkdown("row", "measured", "by CPU", "bar", "held in", "laws that the best peer skips")
	held := 0
	for _, bar := range r.Bars {
		ok := "**" + bar.heldIn() + "**"
		if bar.holds() {
			ok, held = bar.heldIn(), held+1
		}
		table.add(bar.Work, bar.got(), ratioOf(bar.CPU), bar.want(), ok, r.skippedBy(bar))
	}
	fmt.Fprintf(b, "%d of %d bars hold.\n\n%s\n", held, len(r.Bars), table)
}

// last returns the latest name that is not empty.
func last(names []string) string {
	for _, n := range slices.Backward(names) {
		if n != "" {
			return n
		}
	}
	return ""
}

// runs returns how many runs have measured the bar, and in how many it was met.
func (b recordedBar) runs() (met, of int) {
	for i := range b.Got {
		if b.Than[i] == "" && b.Got[i] == 0 {
			continue
		}
		of++
		if b.Met[i] {
			met++
		}
	}
	return met, of
}

// holds reports whether the bar was met in two of three runs.
func (b recordedBar) holds() bool {
	met, of := b.runs()
	return of > 0 && 3*met >= 2*of
}

func (b recordedBar) heldIn() string {
	met, of := b.runs()
	return fmt.Sprintf("%d of %d", met, of)
}

// got returns the median of what the runs reached.
func (b recordedBar) got() string {
	v := median(present(b.Got))
	switch b.Kind {
	case aboveFloor:
		return fmt.Sprintf("%.0f ns above no library", v)
	case absolute:
		return fmt.Sprintf("%.0f ns", v)
	case share:
		return fmt.Sprintf("%.2f × the throughput of no library", v)
	case saved:
		return fmt.Sprintf("%.0f %% saved", 100*v)
	case heldBest:
		return fmt.Sprintf("%.2f × the bytes of %s", v, last(b.Than))
	}
	return fmt.Sprintf("%.2f × %s", v, noneFor(last(b.Than)))
}

// noneFor names the row of no library, where a failure is handled by hand.
func noneFor(library string) string {
	if library == "bare" {
		return "doing without"
	}
	return library
}

func (b recordedBar) want() string {
	switch b.Kind {
	case aboveFloor, absolute:
		return fmt.Sprintf("≤ %.0f ns", b.Figure)
	case share:
		return fmt.Sprintf("≥ %.2f", b.Figure)
	case saved:
		return "100 %"
	}
	return fmt.Sprintf("≤ %.2f", b.Figure)
}

// present returns the figures of runs that have them.
func present(s []float64) (found []float64) {
	for _, v := range s {
		if v != 0 {
			found = append(found, v)
		}
	}
	return found
}

// of returns the rows of a work, the fastest first.
func (r *results) of(work string) (rows []recordedRow) {
	for _, row := range r.Rows {
		if row.Work == work {
			rows = append(rows, row)
		}
	}
	slices.SortStableFunc(rows, func(a, b recordedRow) int {
		switch x, y := median(present(a.NS)), median(present(b.NS)); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return rows
}
