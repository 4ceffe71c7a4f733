// Package layer keeps layers of retries from multiplying. It puts on contexts what a call needs to
// know of the calls around it: the request that a server is handling, the attempt of an operation
// that makes the call, and what was declared of the call itself.
package layer

import (
	"context"
	"sync/atomic"
)

// What has happened in this process, each a bit that stays once it is set. Looking into a context
// costs a call that succeeds more than the rest of it, and most processes have nothing to find
// there.
const (
	linked   = 1 << iota // a transport exists, so that a call can end with an answer that is a failure
	spent                // a call was spent since
	declared             // a call was declared idempotent or not
	resent               // a transport has sent a request again
	critical             // a criticality was put on a context
)

var seen atomic.Uint32

func note(bit uint32) {
	if seen.Load()&bit == 0 {
		seen.Or(bit)
	}
}

// Link notes that a transport exists.
func Link() { note(linked) }

// Resent notes that a transport, or an operation, sends something again.
func Resent() { note(resent) }

// Mark belongs to one request that a server handles. It is safe for concurrent use.
type Mark struct{ spent atomic.Bool }

// Spent reports whether a call under this request was spent.
func (m *Mark) Spent() bool { return m.spent.Load() }

type key struct{}

// With puts a new mark on the context of a request that a server is about to handle.
func With(ctx context.Context) (context.Context, *Mark) {
	m := new(Mark)
	return context.WithValue(ctx, key{}, m), m
}

// Spend notes that a call made under ctx stopped although it failed in a way that a retry might
// have helped: the attempts or the budget were used up, or the callee said "do not retry".
// Repeating the request from above would only repeat that, so it is noted for every attempt around
// the call, and for the request that a server is handling.
func Spend(ctx context.Context) {
	if seen.Load()&linked != 0 {
		note(spent)
	}
	for {
		switch outer := ctx.Value(key{}).(type) {
		case *Attempt:
			if outer.Err() == nil { // else it was cut off, by the attempt's timeout or whoever gave up
				outer.spent.Add(1)
			}
			ctx = outer.Context
			continue
		case *Mark:
			outer.spent.Store(true)
		}
		return
	}
}

type declaration struct{}

// Declare puts on a call's context whether it is idempotent, as package retry encodes it.
func Declare(ctx context.Context, idempotency uint8) context.Context {
	note(declared)
	return context.WithValue(ctx, declaration{}, idempotency)
}

// Declared returns what Declare was given, or 0.
func Declared(ctx context.Context) uint8 {
	v, _ := ctx.Value(declaration{}).(uint8)
	return v
}
