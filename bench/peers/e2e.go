package main

import (
	"sync"
	"sync/atomic"
)

const (
	callers = 16
	e2eSpan = 1000 // calls that are timed at once
	// e2eFactor is how much longer a cell is measured in a round. A library that loses a
	// connection a retry may lose some hundred in that time.
	e2eFactor = 5
)

// concurrently makes n calls from 16 goroutines.
func concurrently(n int, call func()) {
	var (
		next atomic.Int64
		wg   sync.WaitGroup
	)
	for range callers {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				call()
			}
		})
	}
	wg.Wait()
}
