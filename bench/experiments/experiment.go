package experiments

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"sync"
)

// Experiment is one question asked of the simulator (or of the machine), with all its rows. Each
// is a file of its own, and is listed in experiments.
type Experiment struct {
	Name   string
	About  string // one line: the question
	Source string // who published the figures beside ours
	Setup  string // the model, in a sentence or two
	Words  []Word // what the rows' params mean, where the model does not say it

	Params  []string // the names in Row.Params, in the order of the table
	Metrics []Metric // the names in Row.Metrics, in the order of the table
	Pivot   string   // the param whose values are the table's columns; "" for a line a row

	// Brief reports whether a terminal shows a row; nil: it shows all.
	Brief func(Row) bool
	// Alone says that nothing else runs at the same time.
	Alone bool
	// Machine says that its bars are about the speed of the machine, and so no part of the
	// verdict.
	Machine bool
	Run     func(Options) ([]Row, error)
}

// Word explains a param, or one of its values.
type Word struct{ Term, Meaning string }

// Metric is the format of a figure. JSON has the bare number.
type Metric struct {
	Name   string
	Label  string // the heading; "" means Name
	Format Format
}

// Format turns a figure into text.
type Format = func(v float64) string

// Options holds the settings of an experiment.
type Options struct {
	Seed  uint64
	Seeds int      // runs that a figure of together is the mean of; 0 means 1
	Quick bool     // smaller runs
	User  []Policy // the user's own policies

	Workers  int      // how many simulations run at a time
	Progress Progress // nil: nobody watches

	experiment string
	pool       pool
	ctx        context.Context // nil: nobody interrupts
	submitted  func()          // nil, or called when all simulations of the experiment have begun
}

// Progress follows the runs of experiments. Its methods are called from several goroutines at
// once.
type Progress interface {
	// Expect says that an experiment will have n more runs.
	Expect(experiment string, n int)
	Done(experiment string)
}

func (o Options) expect(n int) {
	if o.Progress != nil {
		o.Progress.Expect(o.experiment, n)
	}
}

func (o Options) done() {
	if o.Progress != nil {
		o.Progress.Done(o.experiment)
	}
}

// size returns full, or quick in a quick run.
func size[T any](o Options, full, quick T) T {
	if o.Quick {
		return quick
	}
	return full
}

// SeedFor derives a run's own seed from what identifies the run, so that no figure depends on the
// order in which runs take place or on which others there are.
func (o Options) SeedFor(parts ...any) uint64 {
	h := fnv.New64a()
	fmt.Fprintln(h, o.Seed, o.experiment)
	fmt.Fprintln(h, parts...)
	return h.Sum64()
}

// Each calls cell for 0 to n-1, several at a time, and returns the rows in that order.
func (o Options) Each(n int, cell func(i int) (Row, error)) ([]Row, error) {
	rows, errs := make([]Row, n), make([]error, n)
	o.expect(n)
	var all sync.WaitGroup
	for i := range n {
		all.Add(1)
		o.pool.run(func() {
			defer all.Done()
			if errs[i] = o.interrupted(); errs[i] == nil {
				rows[i], errs[i] = cell(i)
			}
			o.done()
		})
	}
	if o.submitted != nil {
		o.submitted()
	}
	all.Wait()
	return rows, cmp.Or(errs...)
}

func (o Options) interrupted() error {
	if o.ctx == nil {
		return nil
	}
	return o.ctx.Err()
}
