package experiments

import (
	"fmt"
	"hash/fnv"
	"sync"
	"time"
)

// Experiment is one question asked of the simulator (or of the machine), with all its rows. Each is a file of its
// own, and is listed in experiments.
type Experiment struct {
	Name   string
	About  string // one line: the question
	Source string // who published the figures beside ours
	Setup  string // the model, in a sentence or two

	Params  []string // the names in Row.Params, in the order of the table
	Metrics []Metric // the names in Row.Metrics, in the order of the table
	Pivot   string   // the param whose values are the table's columns; "" for a line a row

	// Alone says that it measures the machine: nothing else runs at the same time.
	Alone bool
	Run   func(Options) ([]Row, error)
}

// Metric is how a figure is shown. JSON has the bare number.
type Metric struct {
	Name   string
	Label  string // the heading; "" means Name
	Format Format
}

// Format turns a figure into text.
type Format = func(v float64) string

// Options is what an experiment is told.
type Options struct {
	Seed  uint64
	Quick bool     // smaller runs
	User  []Policy // the user's own policies

	Workers  int      // how many simulations run at a time
	Progress Progress // nil: nobody watches

	experiment string
	pool       pool
}

// Progress follows the runs of experiments. Its methods are called from several goroutines at once.
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

// size is what to use in full and in quick runs.
func size[T any](o Options, full, quick T) T {
	if o.Quick {
		return quick
	}
	return full
}

// SeedFor derives a run's own seed from what identifies the run, so that no figure depends on the order in which runs
// take place or on which others there are.
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
			rows[i], errs[i] = cell(i)
			o.done()
		})
	}
	all.Wait()
	return rows, firstError(errs)
}

func firstError(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Performed is an experiment and what it came to.
type Performed struct {
	Experiment
	Rows []Row
	Err  error
	Took time.Duration
}

// Perform runs the experiments: side by side, and after them, one by one, those that must be alone.
func Perform(chosen []Experiment, o Options) []Performed {
	o.pool = newPool(o.Workers)
	results := make([]Performed, len(chosen))
	one := func(i int) {
		o := o
		o.experiment = chosen[i].Name
		begun := time.Now()
		rows, err := chosen[i].Run(o)
		results[i] = Performed{chosen[i], rows, err, time.Since(begun)}
	}
	var all sync.WaitGroup
	for i, e := range chosen {
		if !e.Alone {
			all.Go(func() { one(i) })
		}
	}
	all.Wait()
	for i, e := range chosen {
		if e.Alone {
			one(i)
		}
	}
	return results
}
