// Package retry holds the policy of a call, and Do and DoValue, which run a function under it.
//
// A [Config] is a policy as plain data, and its zero value a good one; [New] makes a [Policy] of
// it, which is safe for concurrent use and has a budget and a latency estimate for each
// destination ([Policy.For]). What is code and not data comes as an [Option]. A Config can be
// read from JSON, and [Policy.Reload] puts a new one to work in the middle of calls.
//
// [Do] runs a function until it succeeds or the policy says to stop; [DoValue] returns a value,
// and hedges if the policy does. What they return is an [Error]: why the call stopped, how many
// attempts were sent, and what they came to. [Permanent] and [After] mark errors, [WithPermanent]
// names those that are answers; a classifier of your own ([WithClassifier]) sorts them all. An
// [Observer] is told of each attempt and each call.
//
// The words for outcomes and reasons are those of package call, whose state machine all drivers
// share. Use that for a protocol that this library has no driver for.
package retry
