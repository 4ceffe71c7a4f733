// Package examples holds one folder a runnable program: go run ./examples/quickstart-http, for
// instance. Each is complete, needs no network but loopback, and ends by itself.
//
//   - quickstart-http and quickstart-grpc: a client against a server that fails
//   - idempotent-post: a POST that is sent twice and has its effect once
//   - hedged-reads: a second attempt beside a slow one, within the same budget
//   - deadline: one deadline and one retrying layer through three services, over HTTP and gRPC
//   - periodic: work that each host of a fleet does at its own time
//   - migrate-cenkalti: from cenkalti/backoff in three steps
//   - service-config: gRPC's service config as policies
//   - live-reload: a policy in a JSON file, replaced while in use, budgets kept
//   - otel/stdout and otel/prometheus: traces and metrics, in a module of their own
package examples
