package main

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	cellTime = 30 * time.Millisecond  // how long a cell is measured in one round
	spanTime = 500 * time.Microsecond // how long one span of operations takes
	maxSpan  = 1 << 22                // operations
)

// spent holds the cost of some operations.
type spent struct {
	ops  int
	wall time.Duration
	cpu  time.Duration
	// disturbed says that another process took a processor away meanwhile, or kept one.
	disturbed bool
}

func (s *spent) add(o spent) { s.ops, s.wall, s.cpu = s.ops+o.ops, s.wall+o.wall, s.cpu+o.cpu }

// perOp returns nanoseconds.
func (s spent) perOp() float64    { return float64(s.wall) / float64(s.ops) }
func (s spent) cpuPerOp() float64 { return float64(s.cpu) / float64(s.ops) }

// cpuOrNone returns the processor time of an operation, or zero for works whose processor time is
// not theirs alone.
func (b *bench) cpuOrNone(s spent) float64 {
	if b.work.alone {
		return 0
	}
	return s.cpuPerOp()
}

// bench is one cell under measurement.
type bench struct {
	work *work
	cell *cell
	rig  rig
	span int
	ops  int // done in all

	bytes, allocs float64 // of an operation
	held          float64 // bytes that an operation leaves on the heap, where the rig counts them
}

func newBench(w *work, c *cell) *bench {
	if w.alone {
		defer alone()()
	}
	b := &bench{work: w, cell: c, rig: c.setup()}
	b.span = b.chooseSpan()
	b.countAllocs()
	if b.rig.held != nil {
		b.held = b.rig.held()
	}
	return b
}

// chooseSpan warms the cell up, too.
func (b *bench) chooseSpan() int {
	if b.work.span > 0 {
		return b.work.span
	}
	n := 1
	for n < maxSpan && b.once(n).wall < spanTime {
		n *= 2
	}
	return n
}

// once times one span.
func (b *bench) once(n int) spent {
	before := usage()
	start := time.Now()
	b.rig.run(n)
	s := spent{ops: n, wall: time.Since(start)}
	if b.rig.took != nil {
		s.wall = b.rig.took()
	}
	after := usage()
	s.cpu = cpuOf(after) - cpuOf(before)
	busy := s.wall * time.Duration(max(1, b.work.procs))
	s.disturbed = after.Nivcsw > before.Nivcsw || s.cpu < busy*9/10
	b.ops += n
	return s
}

// countAllocs counts what every goroutine allocates meanwhile, which is right for a cell that
// works with several. What the runtime allocates for itself now and then only adds: the least of
// three counts is the cell's.
func (b *bench) countAllocs() {
	b.bytes, b.allocs = math.Inf(1), math.Inf(1)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		b.rig.run(b.span)
		runtime.ReadMemStats(&after)
		b.ops += b.span
		b.bytes = min(b.bytes, float64(after.TotalAlloc-before.TotalAlloc)/float64(b.span))
		b.allocs = min(b.allocs, float64(after.Mallocs-before.Mallocs)/float64(b.span))
	}
}

// patienceFactor is how much longer than asked a round may take to find spans that nobody
// interrupted.
const patienceFactor = 4

// measure runs the cell for one round, and a bare cell in alternation with it. Spans that another
// process disturbed are dropped, as long as there are others: on a machine that is not idle they
// are all noise. Works from many goroutines have no such spans.
func (b *bench) measure(bare *bench, enough time.Duration) (own, floor spent) {
	runtime.GC() // nobody pays for what another has left
	if b.work.alone {
		defer alone()()
	}
	var allOwn, allFloor spent
	for own.wall < enough && allOwn.wall < patienceFactor*enough {
		s, f := b.once(b.span), spent{}
		if bare != nil {
			f = bare.once(bare.span)
		}
		allOwn.add(s)
		allFloor.add(f)
		if b.work.cpu || !s.disturbed && !f.disturbed {
			own.add(s)
			floor.add(f)
		}
	}
	if own.ops == 0 {
		return allOwn, allFloor
	}
	return own, floor
}

// done checks that the cell did what the work says, and gives everything back.
func (b *bench) done() error {
	var errs []error
	if want := b.work.attempts * b.ops; b.rig.sent != nil && want > 0 && b.rig.sent() != want {
		errs = append(errs, fmt.Errorf("%d operations sent %d attempts, not %d", b.ops, b.rig.sent(), want))
	}
	if b.rig.check != nil {
		errs = append(errs, b.rig.check())
	}
	if b.rig.close != nil {
		errs = append(errs, b.rig.close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s, %s: %w", b.work.name, b.cell.library, err)
	}
	return nil
}

// alone leaves one processor to the caller and to a goroutine that only yields, until the returned
// function is called.
func alone() (end func()) {
	procs := runtime.GOMAXPROCS(1)
	var over atomic.Bool
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for !over.Load() {
			runtime.Gosched()
		}
	}()
	return func() {
		over.Store(true)
		<-stopped
		runtime.GOMAXPROCS(procs)
	}
}

// usage returns the resources that all threads of this process have used.
func usage() (u syscall.Rusage) {
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return u
}

func cpuOf(u syscall.Rusage) time.Duration { return time.Duration(u.Utime.Nano() + u.Stime.Nano()) }
