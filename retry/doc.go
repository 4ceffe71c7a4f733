// Package retry holds the policy of a call, and Do and DoValue, which run a function under it.
//
// A [Config] is a policy as plain data, and its zero value is a good one. [New] returns a [Policy]
// of it, which is safe for concurrent use and has a budget and a latency estimate for each
// destination ([Policy.For]). An [Option] sets what is code and not data. A Config can be read
// from JSON, and [Policy.Reload] replaces it while calls are under way.
//
// [Do] runs a function until it succeeds or the policy stops the call; [DoValue] returns a value,
// and hedges if the policy does. A call that stops without success returns an [Error], with the
// reason, the number of attempts, and the failures. [Permanent] and [After] mark errors,
// [WithPermanent] names those that are answers, and a classifier of your own ([WithClassifier])
// decides about all of them. An [Observer] is called for each attempt and each call.
//
// The words for outcomes and reasons are those of package call, whose state machine all drivers
// share. Use that for a protocol that this library has no driver for.
package retry
