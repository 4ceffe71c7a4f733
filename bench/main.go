// Command bench is the failing fleet: it simulates what the field has published about retries, and
// what evenkeel does under the same conditions, and says how far the two agree.
//
//	go run ./bench                     everything
//	go run ./bench -list               the experiments
//	go run ./bench -run 'outage|stack' some of them
//	go run ./bench -policy mine.json   a policy of your own as one more row everywhere
//	go run ./bench -html report.html   a page with charts, to read or to send
//
// The figures depend on -seed alone: neither on the machine nor on the number of cores (except
// those that measure the machine). Each experiment is printed when it is done, and what is done is
// printed when the command is interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/evenkeel-go/evenkeel/bench/experiments"
)

// Exit statuses.
const (
	exitOK          = 0
	exitFailed      = 1   // an experiment failed, or -check found a figure off
	exitMisusage    = 2   // an unknown flag or experiment, a bad policy
	exitInterrupted = 130 // as a shell has it for Ctrl-C
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
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
	err = c.perform(ctx, stdout, stderr)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errInterrupted):
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "bench: %v\n", err)
	return exitFailed
}

// errInterrupted says that not all experiments were run.
var errInterrupted = errors.New("interrupted")

func (c *command) perform(ctx context.Context, stdout, stderr io.Writer) error {
	out, err := openOutputs(c, stdout)
	if err != nil {
		return err
	}
	bar := newProgress(stderr, len(c.chosen), c.width)
	o := c.options(bar)
	err = out.begin(ctx, o, bar)
	results := experiments.Perform(ctx, c.chosen, o, func(p experiments.Performed) {
		bar.finished(p.Name, func() { err = errors.Join(err, out.print(p)) })
	})
	bar.close()
	err = errors.Join(err, out.finish(results))
	if ctx.Err() == nil && out.tables != nil {
		err = errors.Join(err, judge(out.tables, c.user, c.seed))
	}
	if len(results) < len(c.chosen) {
		return errors.Join(err, errInterrupted)
	}
	return errors.Join(err, failures(results, c.check))
}

func list(w io.Writer, chosen []experiments.Experiment) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, e := range chosen {
		fmt.Fprintf(t, "%s\t%s\t%s\n", e.Name, e.About, strings.Join(e.Params, ", "))
	}
	t.Flush()
}

// failures joins what went wrong: experiments that failed and, if asked, figures that are off. How
// fast the machine is counts for nothing.
func failures(results []experiments.Performed, check bool) error {
	var errs []error
	for _, r := range results {
		if r.Err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.Name, r.Err))
		}
		if !check || r.Machine {
			continue
		}
		for _, off := range r.Off() {
			errs = append(errs, fmt.Errorf("%s: %s", r.Name, off))
		}
	}
	return errors.Join(errs...)
}
