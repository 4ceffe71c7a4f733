package fleet

import (
	"math"
	"time"
)

// Result is the outcome of a run.
type Result struct {
	Tally
	// Series is the run over time, in bins of Bin, from its start until the last call ended.
	Series []Point
	Bin    time.Duration
	Top    Tally  // of the most important calls (Load.Top), without their attempts
	Events uint64 // that the simulator handled
	took   histogram
}

// Tally counts calls and attempts.
type Tally struct {
	Calls     int // that clients made
	Succeeded int // of these
	Attempts  int // made for these calls, by whoever calls the server
}

// Load returns the attempts per call.
func (t Tally) Load() float64 { return float64(t.Attempts) / float64(t.Calls) }

// Success returns the share of calls that succeeded.
func (t Tally) Success() float64 { return float64(t.Succeeded) / float64(t.Calls) }

// Lost returns the number of calls that did not succeed.
func (t Tally) Lost() int { return t.Calls - t.Succeeded }

// Point holds the counts of one bin.
type Point struct {
	Tally     // calls that began in it, and what they came to, whenever that was
	Sent  int // attempts sent in it, for whichever call
	Good  int // calls that ended in it, with success
	Bad   int // calls that ended in it, without
}

func (p *Point) add(q Point) {
	p.Calls += q.Calls
	p.Succeeded += q.Succeeded
	p.Attempts += q.Attempts
	p.Sent += q.Sent
	p.Good += q.Good
	p.Bad += q.Bad
}

const (
	bin       = 100 * time.Millisecond
	perSecond = int(time.Second / bin)
)

// Between adds up the bins from one time until another; times within a bin count as its start.
func (r *Result) Between(from, to time.Duration) Point {
	var sum Point
	first := r.at(from)
	for _, p := range r.Series[first:max(r.at(to), first)] {
		sum.add(p)
	}
	return sum
}

// at returns the bin of a time, or the nearest end of the series.
func (r *Result) at(t time.Duration) int { return min(max(int(t/r.Bin), 0), len(r.Series)) }

// What a second must show to count as healthy: of the calls that ended, so many succeeded; and
// successes were so many of the calls made (less strict, because what ends in a second need not
// have begun in it).
const (
	healthyEnds  = 0.95
	healthyCalls = 0.75
	hold         = 10 // seconds that goodput must be back
)

func (p Point) healthy() bool {
	good := float64(p.Good)
	return good >= healthyEnds*float64(p.Good+p.Bad) && good >= healthyCalls*float64(p.Calls)
}

// Recovered returns how long after from goodput was back for ten seconds: the first moment after
// which, in each of the next ten seconds, at least 95 % of the calls that ended had succeeded, and
// successes were at least three quarters of the calls made. ok is false if there is no such moment
// before until.
func (r *Result) Recovered(from, until time.Duration) (after time.Duration, ok bool) {
	last := r.at(until) - hold*perSecond
	for i := r.at(from); i <= last; {
		sick := r.firstSick(i, hold)
		if sick < 0 {
			return time.Duration(i)*r.Bin - from, true
		}
		i = sick + 1
	}
	return 0, false
}

// firstSick returns the first bin of the first of the seconds after bin i that was not healthy, or
// -1.
func (r *Result) firstSick(i, seconds int) int {
	for n := range seconds {
		var second Point
		at := i + n*perSecond
		for _, p := range r.Series[at : at+perSecond] {
			second.add(p)
		}
		if !second.healthy() {
			return at
		}
	}
	return -1
}

// Missing returns the number of calls made between from and to that had not succeeded at to: those
// that failed and those that were still waiting, less those from before that succeeded meanwhile.
func (r *Result) Missing(from, to time.Duration) int {
	p := r.Between(from, to)
	return p.Calls - p.Good
}

// Peak returns the most attempts that any second between from and to saw, as a ratio to the calls
// made in that second. Seconds without calls do not count.
func (r *Result) Peak(from, to time.Duration) float64 {
	peak := 0.0
	from, to = max(from, 0), min(to, time.Duration(len(r.Series)-1)*r.Bin+time.Second) // the last bin begins a second too
	for at := from; at <= to-time.Second; at += r.Bin {
		if p := r.Between(at, at+time.Second); p.Calls > 0 {
			peak = max(peak, float64(p.Sent)/float64(p.Calls))
		}
	}
	return peak
}

// bins collects the series of a run.
type bins struct {
	series []Point
	edge   int64 // of the latest bin
}

// reach makes the bin of time now the latest.
func (b *bins) reach(now int64) int {
	for now >= b.edge {
		b.series = append(b.series, Point{})
		b.edge += int64(bin)
	}
	return len(b.series) - 1
}

func (b *bins) call(now int64) int32 {
	i := b.reach(now)
	b.series[i].Calls++
	return int32(i)
}

// attempt counts one that is made for a call which began in bin begun.
func (b *bins) attempt(now int64, begun int32) {
	i := b.reach(now)
	b.series[i].Sent++
	b.series[begun].Attempts++
}

// end counts a call that began in bin begun.
func (b *bins) end(now int64, begun int32, ok bool) {
	i := b.reach(now)
	if ok {
		b.series[begun].Succeeded++
		b.series[i].Good++
	} else {
		b.series[i].Bad++
	}
}

func (s *sim) result() *Result {
	r := &Result{Series: s.bins.series, Bin: bin, Events: s.events, took: s.took, Top: s.tops}
	r.Tally = r.Between(0, math.MaxInt64).Tally
	return r
}
