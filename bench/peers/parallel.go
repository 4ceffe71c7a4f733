package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
)

// allProcs stands for as many goroutines as there are processors.
const allProcs = 0

// parallelSpan is how many calls are timed at once where several goroutines share a policy.
const parallelSpan = 20_000

// procsOf returns how many goroutines there are, and what the work is called.
func procsOf(procs int) (n int, name string) {
	if procs == allProcs {
		return runtime.NumCPU(), "all"
	}
	return procs, strconv.Itoa(procs)
}

// by names the goroutines that share a row's work.
func by(n int) string {
	if n == 1 {
		return "by one goroutine"
	}
	return fmt.Sprintf("by %d goroutines", n)
}

// parallelDo has goroutines make calls that succeed under one policy.
func parallelDo(procs int) *work {
	n, name := procsOf(procs)
	w := &work{
		name: "parallel/do-" + name, what: "a call that succeeds, " + by(n) + " with one policy",
		span: parallelSpan, procs: n,
	}
	add := func(library string, limited, bare bool, do doer) {
		w.cells = append(w.cells, cell{library: library, budget: limited, bare: bare, setup: func() rig {
			ctx, op := context.Background(), func(context.Context) error { return nil }
			return spreading(n, func(from, to int) {
				for range to - from {
					_ = do(ctx, op)
				}
			})
		}})
	}
	for _, l := range libraries() {
		limited := l.name == evenkeel || l.name == awsLibrary.name
		if l.do != nil {
			add(l.name, limited, false, l.do(thrice))
		}
		if l.budgeted != nil && !limited {
			do, _ := l.budgeted(thrice)
			add(l.name+", budget", true, false, do)
		}
	}
	add(byHandName, true, true, new(handBudget).do)
	return w
}

// instant is a RoundTripper that answers at once, from any number of goroutines.
type instant struct{}

// RoundTrip returns a new response.
func (instant) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: noHeader, Request: req}, nil
}

// parallelHTTP has goroutines send requests under one policy.
func parallelHTTP(procs int) *work {
	n, name := procsOf(procs)
	w := &work{
		name: "parallel/http-" + name, what: "a GET over a RoundTripper in memory, " + by(n) + " with one policy",
		span: parallelSpan, procs: n,
	}
	add := func(library string, limited, bare bool, rt http.RoundTripper) {
		w.cells = append(w.cells, cell{library: library, budget: limited, bare: bare, setup: func() rig {
			return spreading(n, func(from, to int) {
				req := get()
				for range to - from {
					if resp, err := rt.RoundTrip(req); err == nil {
						_ = resp.Body.Close()
					}
				}
			})
		}})
	}
	for _, l := range libraries() {
		if l.http != nil && l.client == nil {
			add(l.name, l.name == evenkeel, false, l.http(thrice, instant{}))
		}
	}
	add(byHandName, true, true, &handTransport{base: instant{}})
	return w
}
