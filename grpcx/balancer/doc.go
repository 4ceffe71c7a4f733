// Package balancer sends a retry or a hedge to another backend than the call's earlier attempts,
// and sets backends aside that fail or lag behind. It is a gRPC load-balancing policy, named
// "evenkeel", around any other (round_robin, weighted_round_robin, least_request_experimental) by
// its registered name:
//
//	conn, err := grpc.NewClient("dns:///orders:443", append(
//		grpcx.DialOptions(policy),
//		balancer.DialOption(balancer.Config{SetAside: &outlier.Config{}}),
//		grpc.WithTransportCredentials(creds),
//	)...)
//
// or, in a service config:
//
//	{"loadBalancingConfig": [{"evenkeel": {"childPolicy": [{"round_robin": {}}], "setAside": {}}}]}
//
// The interceptors of package grpcx put a record of a call's attempts on their contexts as soon
// as a connection of the process uses this policy. Calls without that record are balanced without
// regard to earlier attempts.
//
// # Another backend
//
// The child policy picks. If it picks a backend that an earlier attempt of the call was sent to,
// or one that is set aside, it is asked again, a bounded number of times: eight for each backend
// that is ready, and 128 at most. Its picks are held until the choice is made, so that a policy
// which counts requests (least_request) does not offer the same backend again for being idle.
// Those that are not used are then handed back with an empty DoneInfo, as gRPC itself hands back
// a pick whose connection is gone: counts are balanced, and no load report, error, or byte is
// recorded. If no pick was good, the best is used: a backend in use that the call has tried
// before one that is set aside. With pick_first, or one backend that is ready, nothing changes.
//
// A status error from the child's picker ends the call (a drop, gRFC A50): it is passed on with
// its code and message, and the interceptors do not send the attempt again.
//
// # Setting aside
//
// See package outlier for the rules, and [Config]. UNAVAILABLE and DEADLINE_EXCEEDED count as
// failures, as do UNKNOWN, INTERNAL, RESOURCE_EXHAUSTED and DATA_LOSS that came from the server;
// other codes prove that the backend answers. What the caller canceled says nothing, unless a
// hedge had overtaken it or the attempt's own timeout had passed. Latency is that of unary calls.
// Only a call's first attempt is sent as a probe.
//
// When a backend is set aside or taken back, the observer of the call whose attempt was decisive
// gets an outlier.Event, if it is an outlier.Observer, and gRPC's log a line at level info.
package balancer
