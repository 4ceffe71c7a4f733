package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"sync"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"

	"github.com/evenkeel-go/evenkeel/retry"
)

// kept is how many policies or destinations are made to find what one of them keeps on the heap.
const kept = 10_000

// heapOf returns the bytes that make leaves on the heap, for each of n.
func heapOf(n int, make func(n int) any) float64 {
	before, _ := footprint()
	all := make(n)
	after, _ := footprint()
	runtime.KeepAlive(all)
	return float64(after-before) / float64(n)
}

// policyCell makes policies, and uses each once: some are built at their first call.
func policyCell(library string, budget bool, one func() any) cell {
	return cell{library: library, budget: budget, setup: func() rig {
		var last any
		return rig{
			run: func(n int) {
				for range n {
					last = one()
				}
			},
			check: func() error {
				if last == nil {
					return fmt.Errorf("nothing was made")
				}
				return nil
			},
			held: func() float64 {
				return heapOf(kept, func(n int) any {
					all := make([]any, n)
					for i := range all {
						all[i] = one()
					}
					return all
				})
			},
		}
	}}
}

// usedOnce returns a policy that has made a call.
func usedOnce(do doer) any {
	_ = do(context.Background(), func(context.Context) error { return nil })
	return do
}

func memoryPolicy() *work {
	w := &work{name: "memory/policy", what: "a policy for functions is made and used once; 10,000 are kept"}
	for _, l := range libraries() {
		if l.do != nil {
			w.cells = append(w.cells, policyCell(l.name, l.name == evenkeel || l.name == awsLibrary.name, func() any {
				return usedOnce(l.do(thrice))
			}))
		}
		if l.budgeted != nil && l.name != evenkeel && l.name != awsLibrary.name {
			w.cells = append(w.cells, policyCell(l.name+", budget", true, func() any {
				do, _ := l.budgeted(thrice)
				return usedOnce(do)
			}))
		}
	}
	return w
}

func memoryTransport() *work {
	w := &work{name: "memory/transport", what: "an HTTP client over a given RoundTripper is made and used once; 10,000 are kept"}
	for _, l := range libraries() {
		if l.http != nil {
			w.cells = append(w.cells, policyCell(l.name, l.name == evenkeel, func() any {
				send := l.clientOf(thrice, new(memory), 0)
				_, _ = send(context.Background(), http.MethodGet, memoryURL, nil)
				return send
			}))
		}
	}
	return w
}

// destinationNames are the names of the destinations.
var destinationNames = sync.OnceValue(func() []string {
	names := make([]string, kept)
	for i := range names {
		names[i] = "shard-" + strconv.Itoa(i) + ".inventory.internal"
	}
	return names
})

// stride visits all destinations in an order that no cache foresees.
const stride = 7919

// destinationCell makes calls to 10,000 destinations in turn, each with a budget of its own.
func destinationCell(library string, start func() func(name string)) cell {
	return cell{library: library, budget: true, bare: library == byHandName, setup: func() rig {
		names, call := destinationNames(), start()
		at := 0
		for _, name := range names {
			call(name)
		}
		return rig{
			run: func(n int) {
				for range n {
					call(names[at])
					at = (at + stride) % kept
				}
			},
			held: func() float64 {
				return heapOf(kept, func(int) any {
					call := start()
					for _, name := range names {
						call(name)
					}
					return call
				})
			},
		}
	}}
}

// eachOwn keeps a policy a destination, as a user does whose library has none.
func eachOwn(one func() doer) func() func(string) {
	return func() func(string) {
		var table sync.Map
		ctx, op := context.Background(), new(ops).ok
		return func(name string) {
			do, ok := table.Load(name)
			if !ok {
				do, _ = table.LoadOrStore(name, one())
			}
			_ = do.(doer)(ctx, op)
		}
	}
}

func destinations() *work {
	return &work{
		name: "destinations", what: "a call that succeeds to one of 10,000 destinations, each with a budget of its own",
		cells: []cell{
			destinationCell(evenkeel, func() func(string) {
				p := retry.Must(retry.New(retry.Config{}, retry.WithMaxDestinations(kept)))
				ctx, op := context.Background(), new(ops).ok
				return func(name string) { _ = retry.Do(ctx, p.For(name), op) }
			}),
			destinationCell("failsafe-go, budget", func() func(string) {
				var table sync.Map
				op := new(ops).okPlain
				return func(name string) {
					executor, ok := table.Load(name)
					if !ok {
						executor, _ = table.LoadOrStore(name, failsafe.With(failsafePolicies(thrice, budget.New())...))
					}
					_ = executor.(failsafe.Executor[any]).Run(op)
				}
			}),
			destinationCell("retry-go, throttle", eachOwn(func() doer { do, _ := retryGoLibrary.budgeted(thrice); return do })),
			destinationCell("aws/retry", eachOwn(func() doer { return awsDo(thrice) })),
			destinationCell(byHandName, eachOwn(func() doer { return new(handBudget).do })),
		},
	}
}
