package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func resourceCases() []testCase {
	return []testCase{
		{name: "the budget holds with 256 goroutines and 100 % failures", run: budgetHolds},
		{name: "an exhausted budget returns the last real error", run: budgetError},
		{name: "10,000 calls under one long-lived parent leave nothing behind", run: callsLeaveNothing},
		{name: "10,000 calls over HTTP under one long-lived parent leave nothing behind", run: requestsLeaveNothing},
		{name: "10,000 calls over HTTP with hedging on leave nothing behind", run: hedgesLeaveNothing},
	}
}

// inFlight counts calls and retries under way.
type inFlight struct {
	calls, retries, mostCalls, mostRetries, total atomic.Int64
}

func raise(most *atomic.Int64, n int64) {
	for {
		old := most.Load()
		if n <= old || most.CompareAndSwap(old, n) {
			return
		}
	}
}

// call fails always, and takes a moment.
func (f *inFlight) call(do doer) {
	raise(&f.mostCalls, f.calls.Add(1))
	defer f.calls.Add(-1)
	n := 0
	_ = do(context.Background(), func(context.Context) error {
		if n++; n > 1 {
			f.total.Add(1)
			raise(&f.mostRetries, f.retries.Add(1))
			defer f.retries.Add(-1)
		}
		time.Sleep(time.Millisecond)
		return errDown
	})
}

func budgetHolds(l *library) error {
	if l.budgeted == nil {
		return notApplicable("it has no budget over all calls, or none that this program has an adapter for")
	}
	do, limit := l.budgeted(thrice)
	var (
		f     inFlight
		wg    sync.WaitGroup
		start = make(chan struct{})
	)
	for range 256 {
		wg.Go(func() {
			<-start
			for range 10 {
				f.call(do)
			}
		})
	}
	close(start)
	wg.Wait()
	if limit.total > 0 && f.total.Load() > int64(limit.total) {
		return fmt.Errorf("%d retries of 2560 calls; its budget is %d", f.total.Load(), limit.total)
	}
	if limit.share > 0 {
		allowed := max(int64(limit.atOnce), int64(limit.share*float64(f.mostCalls.Load()+f.mostRetries.Load()))+1)
		if got := f.mostRetries.Load(); got > allowed {
			return fmt.Errorf("%d retries at one time beside %d calls; its budget is %d", got, f.mostCalls.Load(), allowed)
		}
	}
	return nil
}

func budgetError(l *library) error {
	if l.budgeted == nil {
		return notApplicable("it has no budget over all calls, or none that this program has an adapter for")
	}
	do, limit := l.budgeted(thrice)
	if limit.total == 0 {
		return notApplicable("its budget is never exhausted by one call after the other")
	}
	for range 200 {
		_ = do(context.Background(), func(context.Context) error { return errDown })
	}
	sent := 0
	err := do(context.Background(), func(context.Context) error { sent++; return errDown })
	switch {
	case sent != 1:
		return fmt.Errorf("after 200 failed calls it still sends %d times", sent)
	case !errors.Is(err, errDown):
		return fmt.Errorf("the last error is lost: %w", err)
	}
	return nil
}

const manyCalls = 10_000

// patience is how long goroutines may take to end by themselves. The pool of one library keeps its
// for ten seconds.
const patience = 12 * time.Second

// flat makes calls and compares heap and goroutines with what they were.
func flat(patience time.Duration, call func(ctx context.Context, n int) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, before := footprint()
	var heap, goroutines [2]int
	for i := range heap { // the first time makes what is made once, pools and what the runtime keeps for goroutines
		for n := range manyCalls {
			if err := call(ctx, n); err != nil {
				return err
			}
		}
		heap[i], goroutines[i] = settled(before, patience)
	}
	if more := goroutines[1] - before; more > 5 {
		return fmt.Errorf("%d goroutines more", more)
	}
	if more := heap[1] - heap[0]; more > manyCalls*16 { // 16 bytes per call: the least that anything costs
		return fmt.Errorf("%d KiB more on the heap", more>>10)
	}
	return nil
}

// settled returns the footprint once as few goroutines are left as before, or when patience is
// over.
func settled(before int, patience time.Duration) (heap, goroutines int) {
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		heap, goroutines = footprint()
		if goroutines <= before+5 || time.Since(start) > patience {
			return heap, goroutines
		}
	}
}

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func footprint() (heap, goroutines int) {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc), runtime.NumGoroutine()
}

func callsLeaveNothing(l *library) error {
	do, err := l.doer(thrice)
	if err != nil {
		return err
	}
	return flat(patience, func(ctx context.Context, i int) error {
		sent := 0
		return do(ctx, func(context.Context) error {
			if sent++; sent == 1 && i%20 == 0 {
				return errDown
			}
			return nil
		})
	})
}

func requestsLeaveNothing(l *library) error {
	m := new(memory)
	rt, err := l.over(thrice, m)
	if err != nil {
		return err
	}
	return flat(patience, func(ctx context.Context, _ int) error {
		resp, err := rt.RoundTrip(get().WithContext(ctx))
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
}

func hedgesLeaveNothing(l *library) error {
	m := new(memory)
	rt, err := l.hedge(rules{attempts: 3, hedge: time.Second}, m)
	if err != nil {
		return err
	}
	return flat(patience, func(ctx context.Context, _ int) error {
		resp, err := rt.RoundTrip(get().WithContext(ctx))
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
}
