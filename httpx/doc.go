// Package httpx applies a [retry.Policy] to net/http. Its http.RoundTripper retries and hedges the
// requests of a client within a budget. Its http.Handler applies the client's deadline in a
// server, and asks the client not to retry when a call further down has exhausted its retries.
//
//	client := &http.Client{Transport: httpx.NewTransport(nil, nil)} // http.DefaultTransport, default policy
//	err := http.ListenAndServe(addr, httpx.Handler(mux))            // the server's side
//
// # What a Transport does
//
// A [Transport] sends the caller's own request, or a copy if it has to add a header, a timeout or
// a body. After a failure that a retry may help with, it waits for the policy's backoff, or for as
// long as the server asks, and sends a copy. [Classify] has the table of failures and of the
// headers that it reads; [WithClassifier] replaces it, and [WithBodyPeek] lets it read the
// beginning of bodies.
//
// Each host and port has its own budget and latency estimate; [WithDestination] chooses another
// key. [WithPolicyFunc] chooses the policy of each request; use it to reload policies as well.
//
// A call that stops without success returns the last response with its body open and a nil error.
// Without a response it returns an error that wraps the last attempt's. For a response,
// [ReportFrom] of resp.Request.Context() returns why the call stopped, and [AttemptsFrom] how many
// attempts were sent. The observer of [retry.WithObserver] is called for every attempt. If the
// policy's MaxAttempts is 1, a call returns what the base returns.
//
// # Credentials
//
// [WithBeforeAttempt] calls a function before each attempt, to sign the attempt's own copy of the
// request or add a token to it. [WithReauth] renews credentials after a 401, once for all calls
// that wait for them, and sends each request again once.
//
// # What is sent twice
//
// A request is sent again in two cases. Either it provably never reached the application: a
// refused connection, REFUSED_STREAM, a GOAWAY that excludes it, a proxy that failed its CONNECT.
// Or something declares that it may be repeated: a method that is idempotent by IANA's registry,
// an Idempotency-Key or X-Idempotency-Key header, [WithIdempotencyKey], a path of
// [WithIdempotentPaths], or [retry.WithIdempotency] on its context, which overrides the others.
//
// Only declared requests are hedged; if the method alone declares one, the method must be safe,
// PUT or DELETE. CONNECT, Upgrade and requests with trailers are never hedged.
//
// net/http itself repeats some requests, when a kept connection turns out to be closed. This
// package does not see these repeats, and no budget counts them.
//
// A resend may be refused because an earlier attempt had its effect: 404 to DELETE, 412 to a
// conditional PUT. Such an answer does not end the call while another attempt is under way, and
// the call's report marks it ([retry.Error].Shadow). After 409 or 425 to a resend with an
// idempotency key, while the server is still handling the first attempt, the request is sent again
// later.
//
// The first attempt sends the request's Body; later ones send copies from GetBody, which
// http.NewRequest provides for bytes.Buffer, bytes.Reader and strings.Reader. A body without
// GetBody is sent again only if nothing was read of it, or if [WithBodyBuffer] kept it. GetBody
// may rewind a shared file, because an attempt cannot read on once the next has its body; but if
// the call may be hedged, GetBody must return independent copies, as its contract says. A
// RoundTripper below may call the GetBody of its request, to sign or hash a copy.
//
// If net/http closes a body without GetBody during a Read, because the server gave up the request,
// the body can be sent again only if that Read returns within 10 ms. Otherwise the source is
// closed, which ends the Read (of a pipe without a writer, say), and the call ends with that
// attempt.
//
// # Time
//
// An attempt timeout limits the time until the response's header. It does not limit the body;
// [WithBodyIdleTimeout] ends one that stalls. The context's deadline and http.Client.Timeout limit
// the call: all attempts and the body together.
//
// The header Request-Timeout tells the server how much time is left. X-Retry-Attempt is set on
// resends (retries and hedges), and the first resend has the value 2. [WithoutHeaders] sends
// neither. CONNECT and an Upgrade (a WebSocket) get no Request-Timeout, because their deadline is
// that of the handshake.
//
// Closing the deprecated Request.Cancel ends the call; if the context has a deadline, it does so
// only during an attempt. The deprecated http.Transport.CancelRequest ends the call during an
// attempt that sends the caller's own request, not a copy.
//
// The body of a response that is not the call's answer is read to its end, up to 64 KiB and for at
// most 100 ms, so that its connection can be reused. If net/http decompresses that body, it is
// read only with [WithBodyPeek] or over HTTP/1 directly above an http.Transport, and otherwise
// closed, because nothing could end a Read that waits for the gzip header. A hedge that loses is
// canceled, which closes its connection over HTTP/1: a client that hedges often should use HTTP/2.
// While a call waits over HTTP/1, it reads the answer that it may still end with into memory,
// within the same bounds, and frees the connection.
//
// Each redirect is a call of its own. The Jar of an http.Client sees only the answer of a call,
// not the cookies of attempts before it.
//
// The httptrace.ClientTrace of a request's context gets the events of all attempts. In a hedged
// call its hooks run one at a time, so a hook must not wait for another attempt.
//
// # Servers
//
// [Handler] sets the client's deadline on the request's context, refuses requests whose deadline
// has passed, provides the attempt number ([Attempt]), and answers "do not retry"
// (X-Should-Retry: false) if the handler fails after a call further down exhausted its retries.
// That call has to use the request's context, over HTTP or gRPC.
//
// Package endpoints spreads requests over several servers. Package fault makes clients and servers
// fail on purpose, for tests.
package httpx
