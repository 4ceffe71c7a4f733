// Package budget decides whether one more attempt is affordable: the retries and hedges that a client sends to one
// destination, over all its calls together.
//
// # The rule of the default
//
// [Adaptive] is a bucket with two rules.
//
// The bucket: a success earns a tenth of a retry, up to fifteen; a retry or a hedge costs one; a new process starts
// with ten. Nothing else fills it, so what it affords falls with the destination's success, where a bucket that
// calls fill (Brooker's simulation, Finagle, SRE) goes on paying 10 or 20 % into an outage.
//
// The window: an admitted retry is open until an attempt that was sent after it succeeds. While as many are open as
// the window allows, two at first, no retry is sent, whatever the bucket holds. So a bucket that was filled in good
// times is not spent on an outage: some tokens in each of many processes are what makes the published budgets leak as
// the fleet grows. Successes that were under way when the outage began fill the bucket, but answer nothing.
// Three refinements:
//
//   - A window that refused a retry and then had an answer refused it needlessly, and widens by one; it narrows by
//     one in half a minute, towards two. A busy client has many failures in the time that one answer takes, so it
//     needs a wide window; it is also one of few, so that a wide window costs little.
//   - A call may pass the window if every open retry is its own, up to four: on a quiet client, MaxAttempts means
//     what it says, and "503, 503, 503, 503, 200" ends well.
//   - When no retry was sent for a minute, one more may look whether the destination is back, the next after two
//     minutes, and so on up to an hour: else a client whose every first attempt fails (on a connection that went
//     stale) would never learn that retries help again.
//
// [Adaptive].Strict starts with a window of one, and without the second refinement.
//
// All of it is one 64-bit word. A success on a full bucket with nothing open is one atomic load; every other
// decision is one compare-and-swap, and therefore a point in time: what holds for each sequence of decisions holds for
// every interleaving of goroutines.
//
// # Why it holds
//
// Let T be a time after which no attempt that is sent succeeds, W the window and k the number of open retries at T,
// and m the most attempts that a call makes. Each success seen after T was sent before T, so no retry admitted after
// T is ever answered; such a success can only answer one of the k, and widen the window by one for it. A
// retry is admitted only while fewer are open than the window allows, or while no more are open than its own call
// made, at most four. So at most max(W+k, min(m-1, 4)) are admitted after T, and as many again, of a window that
// narrows, in every half minute while the bucket lasts. For a client that was well at T that is two for the
// first ten seconds of an outage, for any number of calls, goroutines and successes under way.
//
// While some attempts succeed, the bucket bounds the load: over any period, retries are at most 15 plus a tenth
// of the successes, so attempts are at most 1.1 times the calls in the long run, at every failure rate.
//
// A wide window is no loophole. It needs failures all the time, and each costs a token: a client whose bucket is not
// empty then sees ten successes for each, so it is busy, and fifteen retries are little to it.
//
// # What no rule inside one process can do
//
// A client that sends one call in the time considered cannot tell an outage from bad luck. 10,000 clients of a
// call every ten seconds pay for one or two retries each: the first ten seconds of an outage cost 2.3 times
// the load (1.6 with Strict). A new process knows nothing either, so a fleet that restarts again and again
// during an outage pays two retries for each start. Both need a limit at the server, or one budget that is shared by
// the fleet.
//
// # The others
//
// [TokenBucket], [GRPC], [AWS], [Finagle], [Concurrency] (Envoy) and [Ratio] (SRE) follow their published rules
// exactly, for comparison and for migrations; docs/decisions.md says where each leaks. [ClientThrottle] is the only
// one that refuses first attempts.
package budget
