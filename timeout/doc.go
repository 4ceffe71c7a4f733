// Package timeout bounds attempts' durations, and computes what is left of a deadline.
//
// A timeout that is too short gives up work that was about to be answered, and each retry of it
// is more load for a server that is slow already; one that is too long holds memory and
// connections for nothing. [Percentile] follows the latency that is measured: you set the share of
// attempts that may be given up in vain. [Fixed] is a number.
//
// Both are a [Spec], plain data that JSON can hold ([MarshalSpec], [UnmarshalSpec]). A policy
// makes a [Limit] of it for each destination, as its attempt timeout or as its hedge delay.
//
// The rest is about deadlines: [Reserve] keeps some of the caller's time for after the work;
// [Left] is what remains.
package timeout
