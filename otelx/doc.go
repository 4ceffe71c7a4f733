// Package otelx reports a policy's calls and attempts as OpenTelemetry metrics and traces. It
// depends on the OpenTelemetry API only. A signal is off unless its provider is passed in, or is
// the global one and WithGlobals is given.
//
//	observer, err := otelx.NewObserver(otelx.WithMeterProvider(mp), otelx.WithTracerProvider(tp))
//	policy, err := retry.New(retry.Config{}, retry.WithObserver(observer))
//
// # Metrics
//
// evenkeel's own:
//
//	name                      type            unit       attributes besides evenkeel.destination
//	evenkeel.calls            counter         {call}     evenkeel.stop.reason
//	evenkeel.attempts         counter         {attempt}  evenkeel.attempt.kind, .class
//	evenkeel.calls.saved      counter         {call}     evenkeel.attempt.number
//	evenkeel.hedge.wins       counter         {call}
//	evenkeel.call.wait        histogram       s
//	evenkeel.budget.level     gauge (async.)  1
//	evenkeel.budget.wait      histogram       s
//	evenkeel.budget.refusals  counter         {call}     evenkeel.budget.waited
//	evenkeel.backend.changes  counter         {change}   evenkeel.backend.change, .cause
//
// What they measure:
//
//   - evenkeel.calls counts calls when they stop, those that succeeded as well.
//   - evenkeel.attempts counts attempts when they end. Its sum over evenkeel.calls is the load: 1
//     is one attempt a call.
//   - evenkeel.calls.saved counts calls that a retry made succeed, by the number of the attempt
//     that did: 2, 3, 4, 5+.
//   - evenkeel.hedge.wins counts calls whose answer came from a hedge.
//   - evenkeel.call.wait is the time in which a call had no attempt under way. Calls that did not
//     wait are left out. Its buckets are those of grpc.client.call.retry_delay.
//   - evenkeel.budget.wait is the part of that time in which the call waited for other calls'
//     retries to decide whether it gets one.
//   - evenkeel.budget.refusals counts calls that their budget stopped, after such a wait or at
//     once.
//   - evenkeel.backend.changes counts backends that were set aside or taken back, by
//     grpcx/balancer or httpx/endpoints (see [outlier.Event]).
//   - evenkeel.budget.level is read when metrics are collected, for each destination that a call
//     has ended for: 0 means that retries are refused, 1 that none has failed lately. Budgets that
//     are no [budget.Leveler] are left out. Where two policies have a destination of the same name
//     it is that of the call which ended last.
//
// gRPC's (gRFC A96), recorded once per call made through grpcx, and for no other calls:
//
//	name                                  type       unit                 buckets
//	grpc.client.call.retries              histogram  {retry}              1, 2, 3, 4, 5
//	grpc.client.call.transparent_retries  histogram  {transparent_retry}  1, 2, 3, 4, 5, 10
//	grpc.client.call.hedges               histogram  {hedge}              1, 2, 3, 4, 5
//	grpc.client.call.retry_delay          histogram  s                    0 to 100: gRFC A66's
//
// All four have the attributes grpc.method and grpc.target. Zero is never recorded. Transparent
// retries are attempts that a live connection handed back and that were resent at no cost to the
// budget; those that gRPC-Go makes by itself, below the interceptors, are not seen here. gRPC-Go
// 1.85 records none of the four. Once another version does, or where gRPC's own retries are on as
// well, turn ours off by WithoutGRPCMetrics, or each call is counted twice. The buckets are only
// advice: a view overrides them.
//
// # Attributes
//
// Every value is of a small closed set, or bounded. None holds a URL, a message or anything else
// of a request.
//
//	evenkeel.stop.reason     the names of retry.Reason: success, rejected, max_attempts, …
//	evenkeel.attempt.kind    first, retry, hedge
//	evenkeel.attempt.class   the names of retry.Class: success, rejected, transient, …; and of those
//	                         that are canceled lost_race (another attempt of the call answered) and
//	                         deadline (the caller's had passed)
//	evenkeel.attempt.number  of saved calls 2, 3, 4 or 5+
//	evenkeel.attempt.status  on spans of attempts: what the server answered, such as "HTTP 503"
//	evenkeel.budget.waited   true, false
//	evenkeel.backend.change  set_aside, taken_back
//	evenkeel.backend.cause   failures (in a row), failure_rate, latency
//	evenkeel.destination     the destination's name (httpx: host, grpcx: target), absent for a
//	                         policy's own; "other" once there are more than WithMaxDestinations
//	grpc.method              package.Service/Method if the call has grpc.StaticMethod, as generated
//	                         code does; else "other", as after the first 1,000 pairs with targets
//	grpc.target              the connection's canonical target
//
// # Traces
//
// The span that is current where a call is made gets events, if it is recording:
//
//	evenkeel.wait   when a wait began: evenkeel.wait.duration (s), evenkeel.attempt.number
//	evenkeel.hedge  when a hedge was sent: evenkeel.attempt.number, evenkeel.attempt.class
//	evenkeel.stop   when a call stopped, unless it succeeded at once: evenkeel.stop.reason,
//	                evenkeel.call.attempts, evenkeel.call.hedges
//	evenkeel.backend  when a backend was set aside or taken back: evenkeel.backend (its address),
//	                  evenkeel.backend.change, .cause, .for (s)
//
// Spans for attempts are made by the instrumentation under evenkeel:
//
//   - httpx outside, otelhttp inside: one CLIENT span an attempt, as HTTP's semantic conventions
//     ask, with http.request.resend_count if otelhttp is given WithClientTrace(otelx.ClientTrace).
//     The events are on the caller's span. Prefer this order.
//   - otelhttp outside, httpx inside: one CLIENT span a call, with the events on it. ClientTrace
//     then adds nothing.
//   - gRPC: otelgrpc's stats handler sits below the interceptors, so each attempt has a CLIENT
//     span and metrics of its own, and the events are on the caller's span. gRPC-Go's own plugin
//     (stats/opentelemetry) has interceptors as well: put its DialOption before grpcx.DialOptions,
//     and it makes a span a call, which gets the events, and below that one an attempt; after them
//     it would take each attempt for a call.
//   - retry.Do and DoValue: WithAttemptSpans.
//
// # Exemplars
//
// Measurements are made with the context of the call, so the SDK's exemplars point at the caller's
// span.
//
// # Cost
//
// A call that succeeds at once adds one to each of two counters, with attributes made beforehand:
// no allocation, and nothing on spans. An observer also makes a policy time its attempts.
// BenchmarkCall has the figures.
package otelx
