// Package grpcx gives gRPC clients the retries, hedges, attempt timeouts and budgets of package
// retry, and gRPC servers their side of it: no work for callers who have given up, and "do not
// retry" passed on to the client.
//
//	declared := grpcx.WithIdempotentMethods("inventory.v1.Inventory/Get", "search.v1.Search/*")
//	conn, err := grpc.NewClient(target, append(grpcx.DialOptions(policy, declared), creds)...)
//
// A policy keeps a budget and a latency estimate for each target (ClientConn.Target).
//
// # What is retried
//
// The rules are those of gRFC A6
// (https://github.com/grpc/proposal/blob/master/A6-client-retries.md), with the status codes
// sorted as follows. A method is declared if retry.WithIdempotency says so of the context, if
// [WithIdempotentMethods] names it, or if its idempotency_level in the .proto file is
// NO_SIDE_EFFECTS or IDEMPOTENT (and the file is linked in). A policy from a service config
// replaces the table by its own list of codes, and the codes listed count as declared.
// [WithClassifier] decides otherwise, by a status's details for example.
//
//	OK                                     a success
//	UNAVAILABLE, nothing was sent          retried whatever the method: no connection, GOAWAY, or
//	                                       REFUSED_STREAM
//	UNAVAILABLE by the server              retried, by gRPC's convention whatever the method
//	UNAVAILABLE, the reply was lost        retried if declared
//	DEADLINE_EXCEEDED, the attempt's own   retried if declared
//	DEADLINE_EXCEEDED by the server        retried if declared
//	ABORTED, INTERNAL, UNKNOWN             retried if declared
//	RESOURCE_EXHAUSTED with a hint         retried if declared, no sooner than the hint says
//	RESOURCE_EXHAUSTED without             not retried; counts as overload
//	CANCELLED, the caller's                the call ends
//	CANCELLED by the server                not retried
//	INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, FAILED_PRECONDITION,
//	OUT_OF_RANGE, UNIMPLEMENTED, DATA_LOSS, UNAUTHENTICATED
//	                                       not retried: an answer
//	what the client itself refuses (a message that does not marshal or is too large, metadata that is no
//	valid header, an authority that is not the server's), and a certificate that it does not trust
//	                                       not retried, whatever a service config lists
//	credentials that fail with UNAVAILABLE retried whatever the method, otherwise not retried
//	a pick that the load balancer dropped  not retried, as far as it can be known; see below
//
// # A lost reply
//
// A server that answers UNAVAILABLE says that it did nothing; that is gRPC's convention, not a
// proof, and [WithStrictIdempotency] withdraws it. gRPC-Go returns UNAVAILABLE as well if the
// connection breaks after the request has gone out. Then the server may have done its work, and a
// second request would do it again: a compare-and-set finds its own first effect and reports a
// conflict. So methods that are not declared are not sent again then. The same applies to a proxy
// that has lost its server: HTTP status 502 and 504, and Envoy's texts for it.
//
// A trailer that is not empty proves that a server answered; without one the texts of gRPC-Go's
// transport decide, and also if an interceptor behind ours drops call options.
//
// What is provably unprocessed is sent again whatever the method: a retry after a refused
// connection is charged to the budget like any other; an attempt that a live connection handed
// back (GOAWAY, REFUSED_STREAM) is free, twice at once and then with waits for as long as other
// attempts succeed, up to half a minute. So 400 calls in parallel get through a proxy that closes
// each connection after five. With MaxAttempts 1 this package sends neither again; gRPC-Go's
// transparent retries remain.
//
// # Load balancers and credentials
//
// gRPC-Go does not pick again after a pick that its load balancer ended with a status (gRFC A54),
// and hides the difference from interceptors. All codes but UNAVAILABLE show it, and so do the
// texts of xDS, RLS and grpclb; the UNAVAILABLE of another balancer looks like a refused
// connection, and is picked again. A balancer of your own that drops picks returns
// retry.Permanent of its status, or another code.
//
// Credentials that fail with UNAVAILABLE are asked again, as gRPC-Go does under a retryPolicy:
// nothing was sent, and the token server may have recovered. They can return
// retry.Permanent of their status to end the call.
//
// # Marks and hints
//
// retry.Permanent and retry.After are honored in the errors of interceptors, balancers and
// credentials below. After asks for another attempt whatever the code, and the method must be
// declared unless nothing was sent.
//
// Hints, in order: trailer grpc-retry-pushback-ms (negative, malformed or given twice: do not
// retry), then google.rpc.RetryInfo among the first 16 status details. Each resend has
// grpc-previous-rpc-attempts in its metadata.
package grpcx
