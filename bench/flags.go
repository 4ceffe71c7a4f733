package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel-go/evenkeel/bench/experiments"
	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/retry"
)

// command is the command line.
type command struct {
	list, quick, check bool
	json, html         string
	pictures           string // a folder
	pattern            string
	policies           []string
	seed               uint64
	seeds              int
	workers            int
	width              int // of the reader's lines
	begun              time.Time
	user               []experiments.Policy
	chosen             []experiments.Experiment
}

func parse(args []string, stderr io.Writer) (*command, error) {
	c := command{width: columns(os.Getenv("COLUMNS")), begun: time.Now()}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // Parse's error says it all; the usage goes to who asks for it
	flags.BoolVar(&c.list, "list", false, "list the experiments and exit")
	flags.StringVar(&c.pattern, "run", "", "run only the experiments whose name matches `REGEXP`")
	flags.Uint64Var(&c.seed, "seed", 1, "seed of all that is random: same `N`, same figures")
	flags.IntVar(&c.seeds, "seeds", 5, "mean of `N` runs for each figure of together")
	flags.StringVar(&c.json, "json", "", "write the figures to `FILE` as JSON; - means stdout, and then no tables")
	flags.StringVar(&c.html, "html", "", "write a report with charts to `FILE`, a page that needs nothing else")
	flags.StringVar(&c.pictures, "svg", "", "write each chart to `FOLDER` as an SVG file, named after its experiment")
	flags.BoolVar(&c.quick, "quick", false, "smaller runs: well under a minute on two idle cores, coarser figures")
	flags.Func("policy", "add the policy in `FILE`, a retry.Config in JSON, as a row everywhere; may be given again",
		func(file string) error { c.policies = append(c.policies, file); return nil })
	flags.BoolVar(&c.check, "check", false, "exit with status 1 if a figure is off its published value or its bar")
	flags.IntVar(&c.workers, "workers", runtime.GOMAXPROCS(0), "run `N` simulations at a time")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			usage(flags, stderr)
		}
		return nil, err
	}
	var errs []error
	if flags.NArg() > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q (use -run to choose experiments)", flags.Arg(0)))
	}
	if c.workers < 1 {
		errs = append(errs, fmt.Errorf("-workers must be at least 1, not %d", c.workers))
	}
	var err error
	c.chosen, err = choose(c.pattern)
	errs = append(errs, err)
	for _, file := range c.policies {
		p, err := readPolicy(file)
		if err == nil && slices.ContainsFunc(c.user, func(other experiments.Policy) bool { return other.Name == p.Name }) {
			err = fmt.Errorf("-policy %s: two policies are named %q: rows are named after the file", file, p.Name)
		}
		errs = append(errs, err)
		c.user = append(c.user, p)
	}
	return &c, errors.Join(errs...)
}

func usage(flags *flag.FlagSet, w io.Writer) {
	fmt.Fprintln(w, "usage: go run ./bench [flags]")
	flags.SetOutput(w)
	flags.PrintDefaults()
}

// columns returns the width that COLUMNS asks for, or that of a terminal that nobody has made
// wider.
func columns(env string) int {
	if n, err := strconv.Atoi(env); err == nil && n >= 40 {
		return n
	}
	return 80
}

// choose returns the experiments whose name matches, all of them for an empty pattern.
func choose(pattern string) ([]experiments.Experiment, error) {
	if pattern == "" {
		return experiments.All, nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("-run: %w", err)
	}
	var chosen []experiments.Experiment
	names := make([]string, len(experiments.All))
	for i, e := range experiments.All {
		names[i] = e.Name
		if re.MatchString(e.Name) {
			chosen = append(chosen, e)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("-run %q matches no experiment; there are %s", pattern, strings.Join(names, ", "))
	}
	return chosen, nil
}

// readPolicy reads a user's policy; its row is named after the file.
func readPolicy(file string) (experiments.Policy, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return experiments.Policy{}, fmt.Errorf("-policy: %w", err)
	}
	if string(bytes.TrimSpace(data)) == "null" {
		return experiments.Policy{}, fmt.Errorf("-policy %s: must be a JSON object", file)
	}
	var cfg retry.Config
	if err := json.Unmarshal(data, &cfg); err != nil {
		return experiments.Policy{}, fmt.Errorf("-policy %s: %w", file, err)
	}
	if _, err := retry.New(cfg); err != nil {
		return experiments.Policy{}, fmt.Errorf("-policy %s: %w", file, err)
	}
	if err := fleet.Bounded(cfg); err != nil {
		return experiments.Policy{}, fmt.Errorf("-policy %s: a policy without limit or wait: %w", file, err)
	}
	name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	return experiments.UserPolicy(name, cfg), nil
}

func (c *command) options(bar *progress) experiments.Options {
	return experiments.Options{Seed: c.seed, Seeds: c.seeds, Quick: c.quick, User: c.user, Workers: c.workers, Progress: bar}
}
