package backoff

import "time"

// Strategy computes the wait before the next attempt. It is a pure function of its arguments
// and safe for concurrent use.
//
// wait is 1 for the first wait of a call, or the first after a server's hint, and counts up; prev
// is the wait before this one, 0 where wait is 1; u is a random number in [0, 1). A wait below 1
// is taken as 1. The delay is never negative, never overflows and never exceeds the strategy's
// cap, whatever the arguments.
type Strategy interface {
	Delay(wait int, prev time.Duration, u float64) time.Duration
}

// Stateful is a Strategy that needs state within a call, as a cenkalti BackOff does. A policy
// calls NewCall once for each call that fails at least once, and again after a wait that the
// server asked for. The Strategy that NewCall returns computes that call's delays, in one
// goroutine at a time. A negative delay from it stops the call.
type Stateful interface {
	Strategy
	NewCall() Strategy
}
