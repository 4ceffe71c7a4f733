// Package retry holds the policy of a call, and Do and DoValue, which run a function under it.
//
//	policy := retry.Must(retry.New(retry.Config{})) // 3 attempts, full jitter, the adaptive budget
//	err := retry.Do(ctx, policy, func(ctx context.Context) error { return db.PingContext(ctx) })
//
// A [Config] is a policy as plain data, and its zero value is a good one. [New] makes a [Policy]
// of it, which is safe for concurrent use and keeps a budget and a latency estimate for each
// destination ([Policy.For]). Make it once and share it. An [Option] sets what is code and not
// data. A Config can be read from JSON, and [Policy.Reload] replaces it while calls are under way.
//
// [Do] runs a function until it succeeds or the policy stops the call; [DoValue] returns a value,
// and hedges if the policy does. A call that stops without success returns an [Error], with the
// reason, the number of attempts, and the failures. [Permanent] and [After] mark errors,
// [WithPermanent] names those that are answers, and a classifier of your own ([WithClassifier])
// decides about all of them. An [Observer] is called for each attempt and each call.
//
// The types of outcomes and reasons are those of package call, the state machine behind Do, httpx
// and grpcx. Use that package for a protocol that this library has no package for.
package retry
