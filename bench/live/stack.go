package live

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/retry"
)

// StackWires are the transports of five layers, from the top to the leaf.
var StackWires = []Wire{HTTP, GRPC, HTTP, GRPC, HTTP}

const (
	stackUsers    = 8   // requests at a time
	stackHealthy  = 100 // requests before the leaf fails, so that every budget knows a service that works
	stackPatience = time.Minute
)

// Stack is real services that call each other in a row. Only the last, the leaf, does any work.
type Stack struct {
	Wires   []Wire       // how each is called
	Policy  retry.Config // of the user, and of every service but the leaf
	Tells   bool         // services have evenkeel's server side
	Percent int          // of attempts that fail at the leaf
	Seed    uint64
}

// Run makes so many requests of a stack whose leaf fails: the attempts are those that the leaf
// saw, the successes those that the users did.
func (s Stack) Run(requests int) (fleet.Tally, error) {
	l := &leaf{faults: newDeck(s.Seed, s.Percent)}
	user, stop, err := s.build(l.serve)
	defer stop()
	if err != nil {
		return fleet.Tally{}, err
	}
	request(stackHealthy, user, l.book.open(false))
	l.sick.Store(true)
	all := l.book.open(true)
	succeeded := request(requests, user, all)
	return fleet.Tally{Calls: requests, Succeeded: succeeded, Attempts: l.book.sum().Attempts}, nil
}

// build starts the services from the leaf up and returns the user's client. stop ends them, also
// those that there are after an error.
func (s Stack) build(leaf work) (user *client, stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, f := range slices.Backward(stops) { // each client before the server that it calls
			f()
		}
	}
	do := leaf
	for _, over := range slices.Backward(s.Wires) {
		server, err := over.serve(do, s.Tells)
		if err != nil {
			return nil, stop, err
		}
		stops = append(stops, server.close)
		policy, err := retry.New(s.Policy)
		if err != nil {
			return nil, stop, err
		}
		if user, err = over.dial(server.addr, policy); err != nil {
			return nil, stop, err
		}
		stops = append(stops, user.close)
		do = user.send
	}
	return user, stop, nil
}

// leaf is the service at the bottom.
type leaf struct {
	book   ledger
	faults *deck
	sick   atomic.Bool
}

func (l *leaf) serve(_ context.Context, call int) error {
	l.book.attempt(call)
	if l.sick.Load() && l.faults.fails() {
		return errFails
	}
	return nil
}

// request makes n requests, some of them at a time, all on one account, and returns how many
// succeeded.
func request(n int, user *client, account int) int {
	var (
		users           sync.WaitGroup
		made, succeeded atomic.Int64
	)
	for range stackUsers {
		users.Go(func() {
			for made.Add(1) <= int64(n) {
				ctx, cancel := context.WithTimeout(context.Background(), stackPatience)
				if user.send(ctx, account) == nil {
					succeeded.Add(1)
				}
				cancel()
			}
		})
	}
	users.Wait()
	return int(succeeded.Load())
}
