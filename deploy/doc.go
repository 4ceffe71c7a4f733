// Package deploy holds alert rules for Prometheus and a dashboard for Grafana, for the metrics of
// package otelx. Its tests run the rules with Prometheus's own engine; it is a module of its own,
// so that nobody else needs that.
package deploy
