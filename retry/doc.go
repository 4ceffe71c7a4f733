// Package retry holds the policy of a call, Do and DoValue, which run a function under it, and the state machine of a
// call that every driver shares.
//
// A [Config] is a policy as plain data, and its zero value a good one; [New] makes a [Policy] of it, which is safe for
// concurrent use and has a budget and a latency estimate for each destination ([Policy.For]). What is code and not data
// comes as an [Option]. A Config can be read from JSON, and [Policy.Reload] puts a new one to work in the middle of calls.
//
// [Do] runs a function until it succeeds or the policy says to stop; [DoValue] returns a value, and hedges if the policy
// does. What they return is an [Error]: why the call stopped, how many attempts were sent, and what they came to.
// [Permanent] and [After] mark errors; a classifier of your own ([WithClassifier]) sorts them all.
//
// Drivers for other kinds of calls use [Run] with a [Work], as httpx does, or the bare state machine, [Call], as the
// simulator of bench/fleet does. An [Observer] is told of each attempt and each call.
package retry
