package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// Where the linker puts a function decides over tens of nanoseconds: the same code took 17 ns over
// bare in one binary and 41 in the next, which differed somewhere else. So several binaries are
// measured that have their functions in different random orders, some rounds each, and the rounds
// of all of them are taken together.

// runLayouts measures every work in f.layouts binaries.
func runLayouts(f flags, errw io.Writer) (*table, error) {
	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	t := new(table)
	for seed := f.seed; seed < f.seed+f.layouts; seed++ {
		fmt.Fprintf(errw, "layout %d, of %d\n", seed, f.layouts)
		if err := runLayout(t, f, dir, seed, errw); err != nil {
			return nil, fmt.Errorf("layout %d: %w", seed, err)
		}
	}
	t.finish()
	return t, nil
}

// runLayout adds the rounds of one binary to the table.
func runLayout(t *table, f flags, dir string, seed int, errw io.Writer) error {
	binary, file := filepath.Join(dir, "peers"), filepath.Join(dir, "samples")
	build := exec.Command("go", "build", "-o", binary, "-ldflags", "-randlayout="+strconv.Itoa(seed), ".")
	run := exec.Command(binary, "-layouts", "0", "-rounds", strconv.Itoa(f.rounds), "-run", f.only.String(), "-samples", file)
	build.Stderr, run.Stderr = errw, errw
	if err := build.Run(); err != nil {
		return fmt.Errorf("to be run in the folder of its source: %w", err)
	}
	if err := run.Run(); err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var rows []sampled
	if err := json.Unmarshal(text, &rows); err != nil {
		return err
	}
	for _, s := range rows {
		t.merge(s)
	}
	return nil
}

// sampled holds the figures that one binary, or one round, adds to a row.
type sampled struct {
	Row                  row
	Budget, Bare, Inside bool
	Samples, Floors      []float64
	CPUs, Sents          []float64
	Answered             []float64
	Fault                string
}

func (t *table) sampled() []sampled {
	all := make([]sampled, len(t.rows))
	for i, r := range t.rows {
		all[i] = sampled{*r, r.budget, r.bare, r.inside, r.samples, r.floors, r.cpus, r.sents, r.answered, r.fault}
	}
	return all
}

func (t *table) merge(s sampled) {
	r := t.row(s.Row.Work, s.Row.Library)
	if r == nil {
		r = &row{
			Work: s.Row.Work, Library: s.Row.Library,
			BOp: s.Row.BOp, AllocsOp: s.Row.AllocsOp, HeldOp: s.Row.HeldOp,
		}
		r.budget, r.bare, r.inside = s.Budget, s.Bare, s.Inside
		t.rows = append(t.rows, r)
	}
	r.samples, r.floors = append(r.samples, s.Samples...), append(r.floors, s.Floors...)
	r.cpus, r.sents = append(r.cpus, s.CPUs...), append(r.sents, s.Sents...)
	r.answered = append(r.answered, s.Answered...)
	r.HeldOp = min(r.HeldOp, s.Row.HeldOp)
	r.BOp, r.AllocsOp = min(r.BOp, s.Row.BOp), min(r.AllocsOp, s.Row.AllocsOp) // what else ran meanwhile only adds
	if s.Fault != "" {
		r.fault = s.Fault
	}
}
