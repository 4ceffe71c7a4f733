// Package httpx brings a [retry.Policy] to net/http: an http.RoundTripper for clients that retries
// and hedges within a budget, and an http.Handler for servers that takes part in deadlines and in
// "only one layer retries".
//
//	client := http.Client{Transport: httpx.NewTransport(nil, nil)}       // good defaults
//	http.ListenAndServe(addr, httpx.Handler(mux))
//
// # What a Transport does
//
// It sends the caller's own request unless a header, a timeout or a body has to be added. After a
// failure that another attempt may not meet ([Classify] has the table, [WithClassifier] changes
// it; [WithBodyPeek] lets it look into bodies) it waits as the policy and the server say, under
// any of the names that servers have for that, and sends a copy. Each host has its own budget and
// latency estimate; [WithDestination] names others. [WithPolicyFunc] chooses the policy of each
// request, which is also how policies are reloaded.
//
// A call that stops without success returns the last response as it was, its body open, with a nil
// error, or an error that wraps the last attempt's. [ReportFrom] of resp.Request.Context() returns
// why a call stopped that ended with a response; [retry.WithObserver] is called for every attempt.
// [AttemptsFrom] returns how many attempts were sent for a response. A policy of MaxAttempts 1
// adds nothing to the base.
//
// # Credentials
//
// [WithBeforeAttempt] calls a function before each attempt, which may sign the attempt's own copy
// of the request or put a token on it. [WithReauth] renews credentials after a 401, once for all
// calls that wait for them, and sends the request again, once.
//
// # What is sent twice
//
// A request with an effect is repeated only if it provably never reached the application (a
// refused connection, REFUSED_STREAM, a GOAWAY that excludes it, a proxy that had no tunnel for
// it), or if something declares that it may be: its method (those that IANA's registry has as
// idempotent), an Idempotency-Key or X-Idempotency-Key header, WithIdempotencyKey, a path of
// [WithIdempotentPaths], or retry.WithIdempotency on its context, which overrides the rest. Only
// such requests are hedged, of those that have effects by their method only PUT and DELETE, and
// neither CONNECT nor an Upgrade. net/http repeats some requests by itself, when a connection it
// kept turns out to be closed; those replays are below this package and below any budget.
//
// A second copy may be refused because of the first: 404 to DELETE, 412 to a conditional PUT, 409
// to a POST with a key that is still being handled. Such an answer never beats an attempt under
// way, and the report of a call that ends with it says what it may be (Shadow in [retry.Error]).
// 409 and 425 to a request with a key are asked again.
//
// The first attempt sends the request's Body, later ones copies of GetBody, which http.NewRequest
// provides for buffers and strings. A body without it is sent once, unless nothing was read of it
// or WithBodyBuffer remembers it. GetBody may rewind one file: an attempt that is over is kept
// from reading on before the next is given its body. But with hedging attempts run side by side,
// and GetBody has to give independent copies, as its contract says. A RoundTripper below may call
// the GetBody of its request, to sign or hash a copy.
//
// When net/http closes a body that is being read, because the server gave up the request, the Read
// returns. If the source has to be closed for that (a pipe that nobody writes to), the call ends
// with that attempt.
//
// # Time
//
// An attempt timeout bounds the time until the response's header; the body then lives as long as
// it is read, and [WithBodyIdleTimeout] ends one that stalls. A context's deadline, and
// http.Client.Timeout, span all attempts and the body. The time left goes along in
// Request-Timeout, and resends carry X-Retry-Attempt, counted from 1, so that the first resend
// says 2 and a first attempt says nothing. WithoutHeaders sends neither. The deadline of CONNECT
// or an Upgrade (a WebSocket) is that of the handshake, and stays here. The deprecated
// Request.Cancel ends the call as well; beside a context's deadline, only with the attempt that it
// cancels. The deprecated http.Transport.CancelRequest ends it during an attempt that is the
// caller's own request, not a copy with a header or a context of its own.
//
// The body of a response that is not the answer is read to its end, up to 64 KiB and 100 ms, so
// that its connection can be used again. If net/http decompresses it, that is done only over
// HTTP/1 directly above an http.Transport; elsewhere it is closed unread, because nothing could
// end a Read that waits for the header of gzip. A hedge that loses is cancelled, which on HTTP/1
// closes its connection: a client that hedges much should use HTTP/2, or expect to dial more. Each
// hop of a redirect is a call of its own.
//
// The httptrace.ClientTrace of a request's context sees all its attempts. Of a hedged call one
// hook runs at a time, so a hook must not wait for another attempt.
//
// # Servers
//
// Handler puts the client's deadline on the request's context, refuses work whose time is up,
// provides the attempt number of a request, and answers "do not retry" (X-Should-Retry: false)
// when a call further down was exhausted and the handler failed for it. The calls need only be
// made under the request's context, over HTTP or gRPC.
//
// Package fault makes clients and servers fail on purpose, for tests.
package httpx
