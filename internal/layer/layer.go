// Package layer keeps layers of retries from multiplying. It puts on contexts what a call needs to
// know about the calls around it: the request that a server is handling, the attempt of an
// operation that makes the call, and what was declared of the call itself.
//
// A call is spent if it failed and the layers around it should not retry it again; see Spend.
package layer

import (
	"context"
	"sync/atomic"
)

// The bits of seen: what has happened in this process so far. While a bit is not set, no context
// needs to be searched for its value, which would cost more than the rest of a call that succeeds.
const (
	linked   = 1 << iota // a transport exists, so that a call can end with an answer that is a failure
	spent                // a call was spent after that
	declared             // a call was declared idempotent or not
	resent               // a transport or an operation made another attempt
	critical             // a criticality was put on a context
)

var seen atomic.Uint32

// note sets a bit of seen.
func note(bit uint32) {
	if seen.Load()&bit == 0 {
		seen.Or(bit)
	}
}

// Link records that a transport exists.
func Link() { note(linked) }

// Resent records that a transport or an operation makes another attempt.
func Resent() { note(resent) }

// Mark records whether a call under one request of a server was spent. It is safe for concurrent
// use.
type Mark struct{ spent atomic.Bool }

// Spent reports whether a call under this request was spent.
func (m *Mark) Spent() bool { return m.spent.Load() }

// key is the context key of the closest *Mark or *Attempt.
type key struct{}

// With puts a new mark on the context of a request that a server is about to handle.
func With(ctx context.Context) (context.Context, *Mark) {
	m := new(Mark)
	return context.WithValue(ctx, key{}, m), m
}

// Spend records that a call made under ctx is spent: it stopped after a failure that a retry might
// have helped, because its attempts or its budget were used up, or the callee said "do not retry".
// It is recorded for every attempt around the call and for the request that a server is handling,
// because repeating those would only repeat the call.
func Spend(ctx context.Context) {
	if seen.Load()&linked != 0 {
		note(spent)
	}
	for {
		switch outer := ctx.Value(key{}).(type) {
		case *Attempt:
			if outer.Err() == nil { // otherwise the attempt's timeout or its caller ended the call
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

// Declare puts on a call's context whether the call is idempotent, a retry.Idempotency.
func Declare(ctx context.Context, idempotency uint8) context.Context {
	note(declared)
	return context.WithValue(ctx, declaration{}, idempotency)
}

// Declared returns what Declare was given, or 0.
func Declared(ctx context.Context) uint8 {
	v, _ := ctx.Value(declaration{}).(uint8)
	return v
}
