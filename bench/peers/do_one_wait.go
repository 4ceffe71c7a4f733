package main

import (
	"context"
	"time"
)

const shortWait = 10 * time.Microsecond

// doOneWait counts what a call costs over the wait that it was told to make.
func doOneWait() *work {
	w := &work{
		name: "do/one-wait", what: "a call that fails once and waits 10µs; the figure is the time over the wait",
		attempts: 2, wait: shortWait, alone: true,
		cells: append(failingCells(context.Background(), rules{attempts: 3, delay: shortWait}), bareWait()),
	}
	return w
}

// bareWait measures a loop that waits, without a library.
func bareWait() cell {
	return cell{library: "bare", bare: true, setup: func() rig {
		ctx, f := context.Background(), new(flaky)
		return rig{sent: f.sent, run: func(n int) {
			for range n {
				for f.op(ctx) != nil {
					t := time.NewTimer(shortWait)
					select {
					case <-ctx.Done():
					case <-t.C:
					}
				}
			}
		}}
	}}
}
