// Command bench is the failing fleet: it simulates what the field has published about retries, and what evenkeel
// does under the same conditions, and says how far the two agree.
//
//	go run ./bench                     everything
//	go run ./bench -list               the experiments
//	go run ./bench -run 'outage|stack' some of them
//	go run ./bench -policy mine.json   a policy of your own as one more row everywhere
//	go run ./bench -html report.html   a page with charts, to read or to send
//
// The figures depend on -seed alone: neither on the machine nor on the number of cores (except those that measure
// the machine).
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/evenkeel-go/evenkeel/bench/experiments"
)

// Exit statuses.
const (
	exitOK       = 0
	exitFailed   = 1 // an experiment failed, or -check found a figure off
	exitMisusage = 2 // an unknown flag or experiment, a bad policy
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	c, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitMisusage
	}
	if c.list {
		list(stdout, c.chosen)
		return exitOK
	}
	if err := c.perform(stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitFailed
	}
	return exitOK
}

func (c *command) perform(stdout, stderr io.Writer) error {
	report, err := openOutputs(c, stdout)
	if err != nil {
		return err
	}
	bar := newProgress(stderr)
	results := experiments.Perform(c.chosen, c.options(bar))
	bar.close()
	return errors.Join(report.write(results), failures(results, c.check))
}

func list(w io.Writer, chosen []experiments.Experiment) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, e := range chosen {
		fmt.Fprintf(t, "%s\t%s\t%s\n", e.Name, e.About, strings.Join(e.Params, ", "))
	}
	t.Flush()
}

// failures joins what went wrong: experiments that failed and, if asked, figures that are off.
func failures(results []experiments.Performed, check bool) error {
	var errs []error
	for _, r := range results {
		if r.Err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.Name, r.Err))
		}
		if !check {
			continue
		}
		for _, row := range r.Rows {
			for _, off := range row.Off() {
				errs = append(errs, fmt.Errorf("%s: %s: %s", r.Name, row.Label(), off))
			}
		}
	}
	return errors.Join(errs...)
}
