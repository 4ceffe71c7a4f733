// Package otel holds the examples of package otelx, in a module of their own, so that who uses the
// library does not inherit the exporters: go -C examples/otel run ./stdout, and go -C
// examples/otel run ./prometheus.
package otel
