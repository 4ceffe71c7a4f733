// Command stdout traces and measures an HTTP client, and prints what OpenTelemetry would send: a
// span an attempt, the events on the caller's span, and the metrics.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/httpx/fault"
	"github.com/evenkeel-go/evenkeel/otelx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func main() {
	server := httptest.NewServer(fault.Handler(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }),
		fault.Script(fault.Fault{Status: http.StatusBadGateway}), // the first request fails
	))
	defer server.Close()

	// As in any program that uses OpenTelemetry.
	ctx := context.Background()
	spans := must(stdouttrace.New(stdouttrace.WithPrettyPrint()))
	tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans))
	numbers := must(stdoutmetric.New(stdoutmetric.WithPrettyPrint()))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(numbers)))
	defer meters.Shutdown(ctx) // prints the metrics
	defer tracers.Shutdown(ctx)

	// The observer of the policy, and otelhttp within the transport: a span an attempt.
	observer := must(otelx.NewObserver(otelx.WithMeterProvider(meters), otelx.WithTracerProvider(tracers)))
	policy := must(retry.New(retry.Config{}, retry.WithObserver(observer)))
	attempts := otelhttp.NewTransport(nil, otelhttp.WithTracerProvider(tracers), otelhttp.WithMeterProvider(meters),
		otelhttp.WithClientTrace(otelx.ClientTrace)) // puts http.request.resend_count on resends
	client := &http.Client{Transport: httpx.NewTransport(attempts, policy)}

	ctx, span := tracers.Tracer("example").Start(ctx, "say hello")
	defer span.End()
	req := must(http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil))
	resp := must(client.Do(req))
	defer resp.Body.Close()
	fmt.Println(resp.Status)
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
