package main

import (
	"fmt"
	"math"
)

// slack is how far a median may be from its bar and still hold: two runs on one machine differ by
// less.
const slack = 1.1

// leastAnswered is the share of calls below which throughput says nothing: who does not retry is
// quick.
const leastAnswered = 0.98

// kind names the quantity that a bar compares.
type kind int

const (
	overBest   kind = iota // evenkeel's time over that of the best peer
	overFree               // the same, of the best peer that has no budget
	overFloor              // evenkeel's time over that of bare
	aboveFloor             // evenkeel's time less that of bare, nanoseconds
	absolute               // evenkeel's time, nanoseconds
	share                  // evenkeel's throughput over that of bare
	saved                  // the share of evenkeel's calls that were answered well
	heldBest               // what evenkeel holds on the heap over the best peer that has a budget
)

// bar sets a figure that evenkeel must reach in a work.
type bar struct {
	work   string
	kind   kind
	figure float64
	allocs int // at most; -1: no bar
	above  int // allocations at most, above those of bare; -1: no bar
}

// verdict holds the result of one bar in one run.
type verdict struct {
	bar    bar
	got    float64
	than   string  // what it was compared with
	cpu    float64 // the same of processor times; 0: not measured, or no ratio
	met    bool    // the figure itself is reached
	holds  bool    // within slack of it
	faults []string
}

// judge compares a work's results with its bar.
func (b bar) judge(t *table) verdict {
	v := verdict{bar: b}
	own := t.row(b.work, evenkeel)
	than := b.reference(t)
	if own == nil || than == nil {
		v.faults = []string{"not measured"}
		return v
	}
	v.than = than.Library
	v.got = b.compare(own, than)
	if b.kind == overBest || b.kind == overFree || b.kind == overFloor {
		v.cpu = ratioOfCPU(own, than)
	}
	switch b.kind {
	case saved:
		v.met, v.holds = v.got >= b.figure, v.got >= b.figure
	case heldBest:
		v.met, v.holds = v.got <= b.figure, v.got <= b.figure
	case share:
		v.met, v.holds = v.got >= b.figure, v.got >= b.figure/slack
	default:
		v.met, v.holds = v.got <= b.figure, v.got <= b.figure*slack
	}
	if n := math.Round(own.AllocsOp); b.allocs >= 0 && n > float64(b.allocs) {
		v.faults = append(v.faults, fmt.Sprintf("%.0f allocations, not %d", n, b.allocs))
	}
	if fault := b.aboveBare(t, own); fault != "" {
		v.faults = append(v.faults, fault)
	}
	if share := median(own.answered); share < leastAnswered {
		v.faults = append(v.faults, fmt.Sprintf("only %.1f %% answered well", 100*share))
	}
	if own.fault != "" {
		v.faults = append(v.faults, own.fault)
	}
	return v
}

// ratioOfCPU returns the median over the rounds of the ratio of processor times, which other
// programs on the machine disturb less than they disturb wall time.
func ratioOfCPU(own, than *row) float64 {
	if len(own.cpus) == 0 || len(than.cpus) == 0 {
		return 0
	}
	return median(each(own.cpus, than.cpus, func(a, b float64) float64 { return a / b }))
}

// aboveBare returns what is wrong with the allocations above those of bare.
func (b bar) aboveBare(t *table, own *row) string {
	if b.above < 0 {
		return ""
	}
	bare := t.bare(b.work)
	if bare == nil {
		return "bare was not measured"
	}
	if n := math.Round(own.AllocsOp - bare.AllocsOp); n > float64(b.above) {
		return fmt.Sprintf("%.0f allocations more than bare, not %d", n, b.above)
	}
	return ""
}

func (b bar) reference(t *table) *row {
	switch b.kind {
	case overBest:
		return t.best(b.work, false)
	case overFree:
		return t.best(b.work, true)
	case absolute, saved:
		return t.row(b.work, evenkeel)
	case heldBest:
		return t.leastHeld(b.work)
	}
	return t.bare(b.work)
}

// compare returns the median over the rounds of the quantity that the bar compares.
func (b bar) compare(own, than *row) float64 {
	switch b.kind {
	case overFloor:
		floors := own.floors
		if len(floors) == 0 || floors[0] == 0 { // the floor is a cell of the round
			floors = than.samples
		}
		return median(each(own.samples, floors, func(a, b float64) float64 { return a / b }))
	case saved:
		return own.Answered
	case heldBest:
		return own.HeldOp / than.HeldOp
	case aboveFloor:
		return median(each(own.samples, own.floors, func(a, b float64) float64 { return a - b }))
	case share:
		return median(each(own.floors, own.samples, func(a, b float64) float64 { return a / b }))
	case absolute:
		return own.NsOp
	}
	return median(each(own.samples, than.samples, func(a, b float64) float64 { return a / b }))
}

func (v verdict) String() string {
	word := "misses"
	switch {
	case len(v.faults) > 0:
	case v.met:
		word = "met"
	case v.holds:
		word = "holds"
	}
	sign, unit, what := "<=", "x", "of "+v.than
	switch v.bar.kind {
	case share:
		sign, what = ">=", "of bare's throughput"
	case saved:
		sign, unit, what = ">=", "", "of the calls saved"
	case heldBest:
		what = "of what " + v.than + " holds"
	case aboveFloor:
		unit, what = " ns", "over bare"
	case absolute:
		unit, what = " ns", ""
	}
	s := fmt.Sprintf("%-6s %-18s %.2f%s %s (bar %s %.2f%s)", word, v.bar.work, v.got, unit, what, sign, v.bar.figure, unit)
	if v.cpu > 0 {
		s += fmt.Sprintf(", %.2fx by processor time", v.cpu)
	}
	for _, f := range v.faults {
		s += "; " + f
	}
	return s
}
