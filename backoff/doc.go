// Package backoff computes waits: before the next attempt of a call that failed, and between the
// runs of periodic work.
//
// A [Strategy] is a pure function of the number of the wait, the wait before it and a random
// number, so the caller owns the clock and the source of randomness, and one value serves any
// number of goroutines. The strategies made here are plain data: they compare with ==, and they
// have names in JSON (see [MarshalStrategy]).
//
// # Which one
//
// [FullJitter] is the choice where nothing else is known: of the classic ones it spreads a crowd
// of clients best for the least work. The others, in brief:
//
//   - [EqualJitter] never waits less than half of the curve, for work that must not be repeated at
//     once.
//   - [DecorrelatedJitter] grows with what was drawn before; it ends a contention sooner than
//     FullJitter, at the price of more calls.
//   - [SmoothDecorrelated] has no spikes in the distribution of a crowd's retries over time
//     (Polly's formula).
//   - [Proportional] moves a curve by a given part of itself, as gRPC (20 %) and cenkalti/backoff
//     (50 %) do.
//   - [Constant], [Linear], [Exponential] and [Fibonacci] are curves without jitter. A crowd of
//     clients that failed together comes back together under each of them, so they are there to be
//     wrapped: [Full], [Equal] and [Proportional] put jitter on any curve.
//
// [Cap] and [Floor] bound any strategy. Bound the curve and put jitter on the result,
// Full(Cap(curve, max)): the other way round, every delay above max becomes max, and those clients
// come back together again.
//
// Backoff spreads a short spike. It does not reduce the load of clients that go on retrying:
// package budget does.
//
// # Periodic work
//
// A thousand hosts that refresh something each minute, all started by one deployment or by cron's
// full minute, are a crowd too. [Phase] gives each host its own place within the period, the same
// every time, and [Every] runs work there.
package backoff
