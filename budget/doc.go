// Package budget limits the retries and hedges that a client sends to one destination, over all
// its calls together: a budget decides whether one more attempt is affordable.
//
// # The rule of the default
//
// [Adaptive] rations failed retries, not retries: one that succeeds costs nothing. Its limits are
// fixed numbers or, if that is more, a share of the successes of the last ten seconds. A client is
// called quiet below if the fixed numbers apply to it, and busy if the shares do.
//
//  1. While fewer than two retries are under way (busy: fewer than 6 %), one more is granted.
//     While as many are, the answer to a call is [Later]: it waits and asks again. Each retry
//     that succeeds while calls wait makes room for eight more.
//  2. One failed retry stops retries (busy: failed retries of 3 % do). Four successes in a row, of
//     attempts sent after a retry failed, pay for it. Two successes of attempts sent no earlier
//     than the first failure pay for one in advance.
//  3. While retries are stopped, a call that fails ends at once. Only the call whose retry stopped
//     them may retry once more. After a minute without a retry one call may probe, then after two
//     minutes, four, and so on up to an hour.
//  4. A failed retry also costs one of 20 tokens, of which a success earns 0.06. Without a token
//     no retry is granted but a probe.
//  5. Calls whose connection was lost together ([Lost]) are resent once each as soon as the retry
//     of one of them is granted. A resend takes one from a quota of 100, and returns it if it
//     succeeds; each success adds 0.06.
//
// Hedges have a bucket of 3 (busy: 2 %). A success adds 0.1, or less if few hedges win, down to
// 0.01; a hedge that wins costs nothing. If a server is slow throughout, every call is hedged, no
// hedge wins, and 10 % more load may be what keeps it slow. Two hedges (busy: 2 %) may be sent
// before an attempt that was sent after the first of them succeeds, and a hedge that fails counts
// as a failed retry. An error that no classifier knows ([Unknown]) is a failure here; a policy of
// package retry has a small separate budget for retries after those, so that "not found" does not
// stop the other retries.
//
// # Why it holds
//
// An attempt's permit carries a stamp, the number of successes and failed retries before it was
// sent. A success pays for a failed retry only if its stamp is not below the number when that
// retry failed, so it was sent later. Let T be a time after which every attempt that is sent
// fails, L the limit of rule 2 and R the room of rule 1 at T: one and two for a quiet client.
//
// A total outage. Successes seen after T were sent before T. Until the first retry sent after T
// has failed, they can pay in advance for at most four failed retries, and only if they were sent
// no earlier than a failure whose retries are under way. From then on they pay for nothing. So at
// most L+4 retries fail before retries stop, and at most R more are under way then; the call that
// stopped them adds one. For a quiet client that had no failures at T and whose calls do not
// overlap, that is one retry and another of the same call, for any number of later calls and
// goroutines and of successes under way. A client with successes under way is busy as long as they
// arrive: it sends 3 % of them, and at most 20 more than rule 4 lets them pay for. Room made for
// waiting calls is used by at most as many retries as calls wait at T, at most [Adaptive].Waiting,
// before the first of them fails. Probes add one a minute or fewer. Calls lost together at T add
// at most 100 resends, once.
//
// A partial outage. Between two stops a client sends about 1/p retries; four successes in a row
// come after about (1-q^4)/(p q^4) attempts at a failure rate p = 1-q: 5 at 0.1, 17 at 0.4, 30 at
// 0.5. In the simulator a fleet of 1,000 quiet clients sends at most 1.31 times its load in the
// first ten seconds, at p = 0.4.
//
// Waste. By rule 4 at most 20 retries fail, and 0.06 for each success, and those that were under
// way when the tokens ran out; by rule 5 at most 100 resends fail, and 0.06 for each success.
// Together that is 0.12 of the calls in the long run at every failure rate, for any number of
// goroutines, because all attempts are granted under one lock.
//
// A retry that is never ended (its operation panicked), or takes longer than nine to seventeen
// seconds, is no longer counted as under way, and counts as failed unless four calls have
// succeeded meanwhile. A clock that is set back stops time, and one that leaps forward allows at
// most a probe. Counters wrap around without harm, except that an attempt that lasts longer than
// half a billion others is misjudged.
//
// # What no rule inside one process can do
//
// A client that sends one call in the time considered cannot tell an outage from bad luck. If
// 10,000 clients send a call every ten seconds, each pays for one or two retries: the first ten
// seconds of an outage cost 2.3 times the load (1.6 with Strict). A new process knows nothing
// either, so a fleet that restarts again and again during an outage pays for two retries at each
// start. And a quiet client whose call and retry failed cannot tell p = 0.1 from p = 0.5: a rule
// that spends more on the one spends more on the other.
//
// # The server's side
//
// The calls of such clients meet at the server. [Fleet] is a budget for it: the server charges it
// for each answer that a client would retry, and says "do not retry" when it is empty.
// httpx.WithRetryBudget and grpcx.WithRetryBudget use it. With it those 10,000 clients cost 1.00
// times the load with one server and 1.02 with a hundred. It cannot help if the server does not
// answer at all, and no proxy answers in its place.
//
// # The others
//
// [TokenBucket], [GRPC], [AWS], [Finagle], [Concurrency] (Envoy) and [Ratio] (SRE) follow their
// published rules exactly, for comparison and for migrations; docs/choosing-a-policy.md has what
// an outage costs under each. [ClientThrottle] is the only one that refuses first attempts.
package budget
