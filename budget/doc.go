// Package budget decides whether one more attempt is affordable: the retries and hedges that a
// client sends to one destination, over all its calls together.
//
// # The rule of the default
//
// [Adaptive] rations failed retries, not retries: one that succeeds costs nothing.
//
//  1. While fewer than two retries are under way (6 % of the last ten seconds' successes, if that
//     is more), one more is granted; while as many are, the answer to a call is [Later], and each
//     retry that succeeds while calls wait lets eight more go.
//  2. A failed retry stops retries, for a busy client when failed retries come to 3 % of those
//     successes; four successes in a row, of attempts sent after it failed, pay for one, and two
//     that were sent no earlier than the first failure pay for one in advance.
//  3. While retries are stopped a call ends at once, but for the call that stopped them, which may
//     retry once more; after a minute without a retry one may probe, then after two minutes, four,
//     and so on up to an hour.
//  4. A failed retry also costs one of 20 tokens, of which a success earns 0.06; without a token
//     no retry is granted.
//  5. Calls whose connection was lost together ([Lost]) are sent again once each as soon as the
//     retry of one of them is granted, from a quota of 100 to which each success adds 0.06, and to
//     which a resend that succeeds returns.
//
// Hedges have a bucket of 3 (or 2 %), to which a success adds 0.1, down to 0.01 if no hedge wins;
// one that wins costs nothing. A server that is slow throughout is hedged by every call, and 10 %
// more load may be what keeps it slow; there no hedge wins. Two (or 2 %) may be sent before an
// attempt that was sent after the first of them succeeds, and a hedge that fails is a failed
// retry. An error that no classifier knows ([Unknown]) is a failure here; a policy of package
// retry has a small budget of its own for retries after those, so that "not found" does not stop
// the other retries.
//
// # Why it holds
//
// An attempt's permit carries a stamp, the number of successes and failed retries before it was
// sent. A success counts against a failed retry only if its stamp is not below the number when
// that retry failed, so it was sent later. Let T be a time after which no attempt that is sent
// succeeds, L the limit of rule 2 and R the room of rule 1 at T: one and two for a quiet client.
//
// A total outage. Successes seen after T were sent before T. Before the first retry that is sent
// after T has failed, they can pay for at most four failed retries in advance, and only as
// contemporaries of a failure whose retries are under way. From then on none of them counts. So at
// most L+4 retries fail before retries stop, and at most R more are under way then; the call that
// stopped them adds one. For a quiet client that was well at T, whose calls do not overlap, that
// is one retry and another of the same call, for any number of calls and goroutines afterward and
// any number of successes under way. A client with successes under way is busy as long as they
// arrive: 3 % of them, 20 at most beyond what rule 4 lets them pay. Places that waiting calls were
// given are used by as many retries as wait at T, at most [Adaptive].Waiting, before the first of
// them fails. Probes add one a minute and fewer. Calls lost together at T add at most 100 resends,
// once.
//
// A partial outage. Between two stops a client sends about 1/p retries; four successes in a row
// come after about (1-q^4)/(p q^4) attempts at a failure rate p = 1-q: 5 at 0.1, 17 at 0.4, 30 at
// 0.5. In the simulator a fleet of 1,000 quiet clients pays 1.31 at most in the first ten seconds,
// at p = 0.4.
//
// Waste. By rule 4 failed retries are at most 20 and 0.06 of the successes, and those that were
// under way when the tokens ran out; by rule 5 failed resends are at most 100 and 0.06 of the
// successes. Together that is 0.12 of the calls in the long run at every failure rate, for any
// number of goroutines: what is granted is decided under one lock.
//
// A retry that is never ended (its operation panicked), or takes longer than nine to seventeen
// seconds, is no longer counted as under way, and counts as failed unless four calls have
// succeeded meanwhile. A clock that is set back stops time, and one that leaps forward allows at
// most a probe. Counters come around without harm, but that an attempt which lasts longer than
// half a billion others is misjudged.
//
// # What no rule inside one process can do
//
// A client that sends one call in the time considered cannot tell an outage from bad luck. 10,000
// clients of a call every ten seconds pay for one or two retries each: the first ten seconds of an
// outage cost 2.3 times the load (1.6 with Strict). A new process knows nothing either, so a fleet
// that restarts again and again during an outage pays two retries for each start. And a quiet
// client whose call and retry failed has seen the same at p = 0.1 and p = 0.5: what is spent on
// the one is spent on the other.
//
// # The server's side
//
// The calls of such clients meet at the server. [Fleet] is a budget for it: the server pays for
// each answer that invites a retry, and says "do not retry" when it cannot. httpx.WithRetryBudget
// and grpcx.WithRetryBudget use it. With it those 10,000 clients cost 1.00 times the load with one
// server and 1.02 with a hundred. What it cannot help is a server that does not answer at all,
// where no proxy answers for it.
//
// # The others
//
// [TokenBucket], [GRPC], [AWS], [Finagle], [Concurrency] (Envoy) and [Ratio] (SRE) follow their
// published rules exactly, for comparison and for migrations; docs/choosing-a-policy.md says where
// each leaks. [ClientThrottle] is the only one that refuses first attempts.
package budget
