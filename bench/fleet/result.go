package fleet

import "time"

// Result is what a run came to.
type Result struct {
	Tally
	// Series is the run over time, in bins of Bin, from its start until the last call ended.
	Series []Point
	Bin    time.Duration
	Events uint64 // that the simulator handled
}

// Tally counts calls and attempts.
type Tally struct {
	Calls     int // that clients made
	Succeeded int // of these
	Attempts  int // made for these calls, by whoever calls the server
}

// Load is attempts a call.
func (t Tally) Load() float64 { return float64(t.Attempts) / float64(t.Calls) }

// Success is the share of calls that succeeded.
func (t Tally) Success() float64 { return float64(t.Succeeded) / float64(t.Calls) }

// Lost is how many calls did not succeed.
func (t Tally) Lost() int { return t.Calls - t.Succeeded }

// Point is what happened within one bin.
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
	n := len(r.Series)
	for _, p := range r.Series[min(int(from/r.Bin), n):max(min(int(to/r.Bin), n), min(int(from/r.Bin), n))] {
		sum.add(p)
	}
	return sum
}

// healthy is the share of calls that must succeed for a second to count as healthy.
const healthy = 0.95

// Recovered returns how long after from goodput was back: the first moment after which, in each of the next ten
// seconds, at least 95 % of the calls that ended had succeeded. ok is false if that did not come before the end
// of the load.
func (r *Result) Recovered(from, until time.Duration) (after time.Duration, ok bool) {
	const hold = 10
	first, last := int(from/r.Bin), min(int(until/r.Bin), len(r.Series))-hold*perSecond
	for i := first; i <= last; {
		bad := r.firstSick(i, hold)
		if bad < 0 {
			return time.Duration(i)*r.Bin - from, true
		}
		i = bad
	}
	return 0, false
}

// firstSick returns from which bin on to look again if one of the seconds after bin i was not healthy, else -1.
func (r *Result) firstSick(i, seconds int) int {
	for n := range seconds {
		var second Point
		at := i + n*perSecond
		for _, p := range r.Series[at : at+perSecond] {
			second.add(p)
		}
		if float64(second.Good) < healthy*float64(second.Good+second.Bad) || second.Good == 0 && second.Calls > 0 {
			return at + 1
		}
	}
	return -1
}

// Peak is the most attempts that any second between from and to saw, as a ratio to the calls made in that second.
// Seconds without calls do not count.
func (r *Result) Peak(from, to time.Duration) float64 {
	peak := 0.0
	for at := from; at+time.Second <= to; at += r.Bin {
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
	r := &Result{Series: s.bins.series, Bin: bin, Events: s.events}
	for _, p := range r.Series {
		r.Calls += p.Calls
		r.Succeeded += p.Succeeded
		r.Attempts += p.Attempts
	}
	return r
}
