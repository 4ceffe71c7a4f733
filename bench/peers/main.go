// Command peers measures evenkeel and the libraries that Go teams use today at the same work, in
// one run.
//
//	go run . [-run REGEXP] [-layouts N] [-rounds N] [-json FILE]   the table of figures, and a verdict for each bar
//	go run . -cases [-run REGEXP] [-json FILE]                     which library passes which case that broke another
//	go run . -record results.json, and -cases -record results.json  adds a run, or the cases, to results
//	go run . -page ../../docs/benchmarks.md                        makes the page of the results
//	go run . -list                                                 the names of both
//
// In a round every library does every work for a few milliseconds, in turn. A figure is the median
// over the rounds, and a ratio the median of the ratios of the same round, so that what slows the
// whole machine slows both sides. A bar holds if its median is within 1.1 of its figure. Several
// binaries are built and measured, see layouts.go.
//
// Each library is set up as its own documentation recommends, with the same attempts and delays; a
// policy object is made once wherever it can be used again. evenkeel always has its default
// budget, even where the peer has none: see ring.go for how calls that always fail once are then
// measured.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
)

func main() {
	if serving() {
		return
	}
	if err := command(os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

type flags struct {
	only    *regexp.Regexp
	layouts int
	rounds  int
	seed    int
	json    string
	samples string
	record  string
	results string
	page    string
	list    bool
	cases   bool
}

func parse(args []string, errw io.Writer) (flags, error) {
	var (
		f    flags
		only string
	)
	set := flag.NewFlagSet("peers", flag.ContinueOnError)
	set.SetOutput(errw)
	set.StringVar(&only, "run", "", "measure only works, or run only cases, that match this `regexp`")
	set.StringVar(&only, "rows", "", "the same as -run")
	set.IntVar(&f.layouts, "layouts", 3, "measure so many `binaries`, each with functions in another order; 0: this one")
	set.IntVar(&f.seed, "seed", 1, "the order of functions in the first of the binaries is that of this `number`")
	set.IntVar(&f.rounds, "rounds", 4, "how many `rounds` to measure in each")
	set.StringVar(&f.json, "json", "", "write the rows as JSON to this `file`, too")
	set.StringVar(&f.samples, "samples", "", "write what was measured as JSON to this `file`: for -layouts")
	set.StringVar(&f.record, "record", "", "add the run, or the cases, to the results in this `file`")
	set.StringVar(&f.results, "results", "results.json", "make the page of the results in this `file`")
	set.StringVar(&f.page, "page", "", "write the page of benchmarks to this `file`, its pictures beside it, and end")
	set.BoolVar(&f.list, "list", false, "print the names of works and cases, and end")
	set.BoolVar(&f.cases, "cases", false, "run the cases of correctness instead")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	if set.NArg() > 0 {
		return f, fmt.Errorf("unexpected argument %q", set.Arg(0))
	}
	if f.rounds < 1 || f.rounds > 1000 {
		return f, fmt.Errorf("-rounds must be between 1 and 1000, not %d", f.rounds)
	}
	if f.layouts < 0 || f.layouts > 1000 {
		return f, fmt.Errorf("-layouts must be between 0 and 1000, not %d", f.layouts)
	}
	var err error
	f.only, err = regexp.Compile(only)
	return f, err
}

func command(args []string, out, errw io.Writer) error {
	f, err := parse(args, errw)
	switch {
	case err != nil:
		return err
	case f.list:
		list(out)
		return nil
	case f.page != "":
		return makePage(f.results, f.page)
	case f.cases:
		return runCases(f, out)
	}
	return runWorks(f, out, errw)
}

// command returns what to type for the same run.
func (f flags) command() string {
	c := fmt.Sprintf("go -C bench/peers run . -layouts %d -seed %d -rounds %d", f.layouts, f.seed, f.rounds)
	if only := f.only.String(); only != "" {
		c += " -rows '" + only + "'"
	}
	return c
}

func list(out io.Writer) {
	for _, w := range works() {
		fmt.Fprintf(out, "work  %-20s %s\n", w.name, w.what)
	}
	for _, c := range cases() {
		fmt.Fprintf(out, "case  %s\n", c.name)
	}
}

func runWorks(f flags, out, errw io.Writer) error {
	ws := matching(f.only)
	if len(ws) == 0 {
		return fmt.Errorf("no work matches %q", f.only)
	}
	how := recordedRun{Machine: thisMachine(), Command: f.command()}
	t, err := measureWorks(f, ws, errw)
	if t == nil {
		return err
	}
	printVersions(out)
	t.print(out)
	for _, b := range bars {
		if t.row(b.work, evenkeel) != nil {
			fmt.Fprintln(out, b.judge(t))
		}
	}
	return errors.Join(err, save(f.json, t.rows), save(f.samples, t.sampled()), recordRun(f, t, how))
}

// recordRun adds a run to the results.
func recordRun(f flags, t *table, how recordedRun) error {
	if f.record == "" {
		return nil
	}
	r, err := load(f.record)
	if err != nil {
		return err
	}
	r.addRun(t, how)
	return r.store(f.record)
}

// recordCases replaces the cases of the results.
func recordCases(f flags, found []finding) error {
	if f.record == "" {
		return nil
	}
	r, err := load(f.record)
	if err != nil {
		return err
	}
	r.addCases(found)
	return r.store(f.record)
}

func measureWorks(f flags, ws []*work, errw io.Writer) (*table, error) {
	if f.layouts > 0 {
		return runLayouts(f, errw)
	}
	r := runner{rounds: f.rounds, cell: cellTime, log: errw}
	return r.run(ws)
}

func printVersions(out io.Writer) {
	found := versions()
	var parts []string
	for _, l := range libraries() {
		parts = append(parts, l.name+" "+found[l.module])
	}
	fmt.Fprintf(out, "%s, %d processors\n%s\n\n", runtime.Version(), runtime.GOMAXPROCS(0), strings.Join(parts, ", "))
}

func save(file string, rows any) error {
	if file == "" {
		return nil
	}
	w, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(writeJSON(w, rows), w.Close())
}
