// Package otel holds tests of otelx beside the instrumentation that programs use with it:
// otelhttp, otelgrpc, gRPC's own OpenTelemetry plugin and the Prometheus exporter.
package otel
