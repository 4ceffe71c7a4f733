package main

import (
	"context"
	"time"
)

// withDeadline returns a context whose deadline is far away, as a server's handler has one.
func withDeadline() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	_ = cancel // it goes on for the rest of this process: longer than any run
	return ctx
}

func doDeadline() *work {
	return &work{
		name: "do/deadline", what: "a call under a context with a deadline that succeeds",
		attempts: 1, cells: okCells(withDeadline()),
	}
}

func doDeadlineFail() *work {
	return &work{
		name: "do/deadline-fail", what: "the same, failing once and retried at once",
		attempts: 2, cells: failingCells(withDeadline(), thrice),
	}
}
