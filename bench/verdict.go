package main

import (
	"fmt"
	"io"
	"time"

	"github.com/evenkeel-go/evenkeel/bench/experiments"
)

// quickly is how long a run with -quick may take before the verdict says how long it took.
const quickly = 10 * time.Second

// verdict writes what it all came to, and ends with what failed, by name.
func (o *outputs) verdict(results []experiments.Performed) error {
	w, c := o.tables, o.command
	took := time.Since(c.begun)
	if n := len(c.chosen); len(results) < n {
		fmt.Fprintf(w, "Interrupted: %d of %d experiments are done.\n", len(results), n)
	}
	if c.quick && took > quickly {
		fmt.Fprintf(w, "-quick took %.0f s, more than ten: -run REGEXP picks some of the experiments.\n", took.Seconds())
	}
	var off []string
	for _, r := range results {
		switch {
		case r.Err != nil:
			off = append(off, fmt.Sprintf("%s: %v", r.Name, r.Err))
		case r.Machine:
			speed(w, r)
		default:
			for _, text := range r.Off() {
				off = append(off, r.Name+": "+text)
			}
		}
	}
	if sum := experiments.Sum(results).String(); sum != "" {
		fmt.Fprintf(w, "%s.\n", sum)
	}
	if len(off) == 0 {
		return nil
	}
	fmt.Fprintf(w, "FAILED: %d\n", len(off))
	for _, text := range off {
		fmt.Fprintf(w, "  %s\n", text)
	}
	if c.quick {
		fmt.Fprintln(w, "(-quick is coarse: a run without it may hold.)")
	}
	return nil
}

// speed writes the bars that are about the machine, which say nothing of the library.
func speed(w io.Writer, r experiments.Performed) {
	t := r.Tally()
	fmt.Fprintf(w, "Speed of this machine, no part of the verdict: %d of %d bars of %s held.\n", t.Hold, t.Bars, r.Name)
	for _, text := range r.Off() {
		fmt.Fprintf(w, "  %s\n", text)
	}
}
