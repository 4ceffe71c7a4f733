package main

import (
	"regexp"
	"time"
)

// work is one thing that all libraries which can do it are measured at.
type work struct {
	name  string
	what  string // one line
	cells []cell
	// attempts is how many attempts one operation must have sent; 0: not counted.
	attempts int
	// wait is the part of an operation's time that it was told to wait.
	wait time.Duration
	// paired measures each cell in alternation with the bare one, for figures that are differences
	// from it.
	paired bool
	// cpu has the processor time of an operation measured as well, as a work of its own.
	cpu bool
	// alone runs on one processor beside a goroutine that only yields: Go wakes a sleeping thread
	// for a timer of microseconds a millisecond late, and this one never sleeps.
	alone bool
	// procs is on how many processors it works at the same time; 0: one.
	procs int
	// span is how many operations are timed at once; 0: as many as take spanTime.
	span int
}

// cell is one library's way to do one work.
type cell struct {
	library string
	budget  bool // retries are limited over all its calls
	bare    bool // the same without any library
	inside  bool // a part that the library keeps to itself, or another interface: no peer to be measured by
	setup   func() rig
}

// rig is a cell that is ready to run.
type rig struct {
	run func(n int) // does the work n times
	// took, if set, is how long the last run took, without what it needed to begin.
	took func() time.Duration
	// sent is how many attempts the operations have sent so far; nil: not counted.
	sent func() int
	// answered, if set, is the share of the calls that were answered well: it may be less than 1
	// where some fail.
	answered func() float64
	// check, if set, says what is wrong with what was done so far.
	check func() error
	// held, if set, returns how many bytes an operation leaves on the heap.
	held func() float64
	// close, if set, gives everything back and says what was left open.
	close func() error
}

// works returns all works, in the order of the table.
func works() []*work {
	return []*work{
		doOK(), doOKValue(), doOneFail(), doOneWait(), doDeadline(), doDeadlineFail(), delayWork(),
		memoryPolicy(), destinations(), parallelDo(1), parallelDo(2), parallelDo(allProcs),
		budgetOK(1), budgetOK(2), budgetRetry(1), budgetRetry(2), timeoutWork(), timeoutSooner(), doBesideHTTP(),
		httpOKGet(), httpOKPost(), httpOneFailGet(), httpOneFailPost(), httpHedge(), httpHedgeWins(),
		httpClientGet(), httpClientPut(), httpClientGetFail(), httpClientPutFail(),
		grpcOK(), grpcOKOption(), grpcOneFail(),
		grpcStub(), grpcStubDeadline(), grpcStubFail(), grpcStubDeadlineFail(), grpcHedge(), grpcHedgeWins(),
		grpcE2E(), httpE2E(), httpE2ETLS(), httpE2EH2(), httpE2E503(),
		memoryTransport(), parallelHTTP(1), parallelHTTP(2), parallelHTTP(allProcs),
		outage503(), outageRefused(), outageGRPC(), burstH2(), burstGRPC(),
	}
}

// matching returns the works whose name matches.
func matching(re *regexp.Regexp) (found []*work) {
	for _, w := range works() {
		if re.MatchString(w.name) {
			found = append(found, w)
		}
	}
	return found
}

func (w *work) bare() *cell {
	for i := range w.cells {
		if w.cells[i].bare {
			return &w.cells[i]
		}
	}
	return nil
}
