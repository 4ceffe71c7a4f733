package main

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// runner measures works for some rounds.
type runner struct {
	rounds int
	cell   time.Duration // how long a cell is measured in one round
	log    io.Writer
}

// run measures every cell once a round. A later round begins with another library, so that nobody
// always follows the same one.
func (r *runner) run(ws []*work) (*table, error) {
	t := new(table)
	var errs []error
	for _, w := range ws {
		fmt.Fprintf(r.log, "%s: %s\n", w.name, w.what)
		if err := r.work(t, w); err != nil {
			errs = append(errs, err)
		}
	}
	t.finish()
	return t, errors.Join(errs...)
}

func (r *runner) work(t *table, w *work) error {
	benches := make([]*bench, len(w.cells))
	var errs []error
	for round := range r.rounds {
		var bare *bench
		if w.paired {
			bare = newBench(w, w.bare())
		}
		for i := range w.cells {
			i = (i + round) % len(w.cells)
			if benches[i] == nil {
				benches[i] = newBench(w, &w.cells[i])
			}
			r.cellOnce(t, benches[i], bare)
			if w.cpu { // each round has connections of its own
				errs = append(errs, t.close(benches[i]))
				benches[i] = nil
			}
		}
		if bare != nil {
			errs = append(errs, t.close(bare))
		}
	}
	for _, b := range benches {
		if b != nil {
			errs = append(errs, t.close(b))
		}
	}
	return errors.Join(errs...)
}

// cellOnce measures one cell for one round.
func (r *runner) cellOnce(t *table, b, bare *bench) {
	enough := r.cell
	if b.work.cpu {
		enough *= e2eFactor
	}
	own, floor := b.measure(bare, enough)
	if bare == nil {
		floor = spent{ops: 1} // zero: the floor is a cell of its own, if there is one
	}
	t.sample(b.work.name, b, own.perOp()-float64(b.work.wait), floor.perOp(), b.cpuOrNone(own))
	if b.work.cpu {
		t.sample(b.work.name+"-cpu", b, own.cpuPerOp(), floor.cpuPerOp(), own.cpuPerOp())
	}
}

// close ends a cell. That a library left connections open is a finding, anything else an error.
func (t *table) close(b *bench) error {
	r := t.row(b.work.name, b.cell.library)
	if r != nil && b.rig.answered != nil {
		r.answered = append(r.answered, b.rig.answered())
	}
	if r != nil && b.rig.sent != nil && b.ops > 0 {
		r.sents = append(r.sents, float64(b.rig.sent())/float64(b.ops))
	}
	err := b.done()
	var leak *leakError
	if r == nil || !errors.As(err, &leak) {
		return err
	}
	r.fault = leak.Error()
	return nil
}
