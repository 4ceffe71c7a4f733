// Package grpcx gives gRPC clients the retries, hedges, attempt timeouts and budgets of package
// retry. Its server interceptors refuse calls whose deadline has passed, and ask the client not to
// retry when a call further down has exhausted its retries.
//
//	declared := grpcx.WithIdempotentMethods("inventory.v1.Inventory/Get", "search.v1.Search/*")
//	conn, err := grpc.NewClient(target, append(
//		grpcx.DialOptions(policy, declared), grpc.WithTransportCredentials(creds))...)
//	server := grpc.NewServer(grpc.ChainUnaryInterceptor(grpcx.UnaryServerInterceptor()),
//		grpc.ChainStreamInterceptor(grpcx.StreamServerInterceptor()))
//
// A policy keeps a budget and a latency estimate for each target (ClientConn.Target).
//
// # What is retried
//
// The rules are those of gRFC A6
// (https://github.com/grpc/proposal/blob/master/A6-client-retries.md), with the table of status
// codes below. A method is declared if retry.WithIdempotency on the context or
// [WithIdempotentMethods] declares it idempotent, or if its idempotency_level in the .proto file
// is NO_SIDE_EFFECTS or IDEMPOTENT and the file is linked in. A policy from a service config
// replaces the table with its own list of codes, and every method counts as declared for these
// codes. [WithClassifier] may change the outcome, for example by the status's details.
//
//	OK                                     a success
//	UNAVAILABLE, nothing was sent          retried whatever the method: no connection, GOAWAY, or
//	                                       REFUSED_STREAM
//	UNAVAILABLE by the server              retried, by gRPC's convention whatever the method
//	UNAVAILABLE, a proxy answered 429      the same, after the longer backoff
//	UNAVAILABLE, the reply was lost        retried if declared
//	DEADLINE_EXCEEDED, the attempt's own   retried if declared
//	DEADLINE_EXCEEDED by the server        retried if declared
//	ABORTED, INTERNAL, UNKNOWN             retried if declared
//	RESOURCE_EXHAUSTED with a hint         retried if declared, no sooner than the hint says
//	RESOURCE_EXHAUSTED without a hint      not retried; counts as overload
//	CANCELLED, the caller's                the call ends
//	CANCELLED by the server                not retried
//	INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, FAILED_PRECONDITION,
//	OUT_OF_RANGE, UNIMPLEMENTED, DATA_LOSS, UNAUTHENTICATED
//	                                       not retried: the server works
//	what the client itself refuses (a message that does not marshal or is too large, metadata that is no
//	valid header, an authority that is not the server's), and a certificate that it does not trust
//	                                       not retried, whatever a service config lists
//	credentials that fail with UNAVAILABLE retried whatever the method, otherwise not retried
//	a pick that the load balancer dropped  not retried, as far as it can be known; see below
//
// # A lost reply
//
// By gRPC's convention, a server that answers UNAVAILABLE did nothing. Nothing proves it, and
// [WithStrictIdempotency] turns the convention off. But gRPC-Go also returns UNAVAILABLE if the
// connection breaks after the request was sent. The server may then have handled the request, and
// a second one would repeat its effect: a compare-and-set finds its own first effect and reports
// a conflict. So this package then resends only declared methods. The same applies to a proxy
// that has lost its server (HTTP status 502 and 504, and Envoy's texts for it).
//
// A trailer that is not empty proves that a server answered. Without one, or if an interceptor
// after ours drops call options, the texts of gRPC-Go's transport decide.
//
// An attempt that was provably unprocessed is sent again whatever the method. After a refused
// connection, the retry is charged to the budget like any other. An attempt that a live connection
// returned (GOAWAY, REFUSED_STREAM) is resent at no cost: twice without a wait, then with waits
// while other attempts succeed, for up to 30s. So 400 parallel calls get through a proxy that
// closes each connection after five. With MaxAttempts 1 this package resends neither; gRPC-Go's
// transparent retries remain.
//
// # Load balancers and credentials
//
// A load balancer may drop a pick by returning a status (gRFC A54). gRPC-Go then fails the
// attempt, and interceptors cannot see why nothing was sent. This package recognizes a drop by
// any code but UNAVAILABLE, and by the texts of xDS, RLS and grpclb. The UNAVAILABLE of any other
// balancer looks like a refused connection, and is retried: your own balancer should drop picks
// with retry.Permanent of its status, or with another code.
//
// If credentials fail with UNAVAILABLE, the call is retried, as gRPC-Go does under a retryPolicy:
// nothing was sent, and the token server may have recovered. Credentials can return
// retry.Permanent of their status to end the call.
//
// # Marks and hints
//
// The marks of retry.Permanent and retry.After are honored on the errors of interceptors,
// balancers and credentials that an attempt runs into. After makes any code retryable, but the
// method must be declared unless nothing was sent.
//
// The wait that a server asks for is the trailer grpc-retry-pushback-ms, in milliseconds
// (negative, malformed or given twice: do not retry), or else google.rpc.RetryInfo among the first
// 16 status details. Each resend has grpc-previous-rpc-attempts in its metadata.
package grpcx
