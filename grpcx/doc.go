// Package grpcx gives gRPC clients the retries, hedges, attempt timeouts and budgets of package retry, and gRPC
// servers their side of it: no work for callers who have given up, and "do not retry" passed upwards.
//
//	conn, err := grpc.NewClient(target, append(grpcx.DialOptions(policy), creds)...)
//
// A policy keeps a budget and a latency estimate for each target (ClientConn.Target) without being asked.
//
// # What is retried
//
// The rules are those of gRFC A6 (https://github.com/grpc/proposal/blob/master/A6-client-retries.md), with the
// status codes sorted as follows. A method is declared if retry.WithIdempotency says so of the context, if
// WithIdempotentMethods names it, or if its idempotency_level in the .proto file is NO_SIDE_EFFECTS or IDEMPOTENT
// (and the file is linked in). A policy from a service config replaces the table by its own list of codes.
//
//	OK                                     a success
//	UNAVAILABLE                            retried, by gRPC's convention whatever the method; see below
//	DEADLINE_EXCEEDED, the attempt's own   retried if declared
//	DEADLINE_EXCEEDED by the server        retried if declared
//	ABORTED, INTERNAL, UNKNOWN             retried if declared
//	RESOURCE_EXHAUSTED with a hint         retried if declared, no sooner than the hint says
//	RESOURCE_EXHAUSTED without             not retried; counts as overload
//	CANCELLED, the caller's                the call ends
//	CANCELLED by the server                not retried
//	INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, FAILED_PRECONDITION, OUT_OF_RANGE,
//	UNIMPLEMENTED, DATA_LOSS, UNAUTHENTICATED
//	                                       not retried: an answer
//	what the client itself refuses (a message that does not marshal or is too large, metadata that is no
//	valid header, credentials that fail), and a certificate that it does not trust
//	                                       not retried, whatever a service config lists
//
// That UNAVAILABLE may be retried for any method is a convention and not a proof: a connection that broke may have
// delivered its request. WithStrictIdempotency withdraws it. What is provably unprocessed is sent again whatever the
// method: a connection that could not be had pays like any retry; an attempt that a live connection handed back
// (GOAWAY, REFUSED_STREAM) is free, at most twice a call.
//
// Hints, in order: trailer grpc-retry-pushback-ms (negative, malformed or given twice: do not retry), then
// google.rpc.RetryInfo in the status details. On each resend the metadata says grpc-previous-rpc-attempts.
package grpcx
