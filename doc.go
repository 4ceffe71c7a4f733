// Package evenkeel is the root of a library that gives clients of net/http and gRPC retries,
// hedges, timeouts and deadlines under one budget, so that they do not multiply the load on a
// server that fails. It holds the version and nothing else; this page is the map. A program makes
// a policy from one plain struct, retry.Config, whose zero value is a good policy. Each package
// below holds a part of that policy or makes calls under it.
//
// # Making calls
//
//   - [github.com/evenkeel-go/evenkeel/httpx] for net/http: a RoundTripper for clients and a
//     Handler for servers.
//   - [github.com/evenkeel-go/evenkeel/grpcx] for gRPC: interceptors for clients and for servers.
//   - [github.com/evenkeel-go/evenkeel/retry] for everything else: Do and DoValue run a function
//     under a policy. The package holds the policy itself.
//   - [github.com/evenkeel-go/evenkeel/call] for other protocols: the state machine of a call,
//     which retry, httpx and grpcx share.
//
// # Choosing a policy
//
//   - [github.com/evenkeel-go/evenkeel/backoff] computes how long to wait before the next attempt,
//     and when periodic work is due.
//   - [github.com/evenkeel-go/evenkeel/budget] decides whether one more attempt is affordable.
//   - [github.com/evenkeel-go/evenkeel/timeout] computes how long an attempt may take, and what is
//     left of a deadline.
//   - [github.com/evenkeel-go/evenkeel/outlier] sets aside the endpoints that fail, for
//     httpx/endpoints and grpcx/balancer.
//   - [github.com/evenkeel-go/evenkeel/otelx] reports calls and attempts to OpenTelemetry.
//
// # The words
//
// A call is one operation that the user asked for. An attempt is one send of it; the first is
// number 1. A retry is an attempt sent because the previous one failed, a hedge one sent because
// the previous one is slow. Options count attempts, never retries: a MaxAttempts of 3 sends at
// most three times.
package evenkeel
