// Command prometheus serves the metrics of an HTTP client for Prometheus to scrape, for two
// seconds unless -for says otherwise.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/httpx/fault"
	"github.com/evenkeel-go/evenkeel/otelx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func main() {
	period := flag.Duration("for", 2*time.Second, "how long to serve /metrics")
	flag.Parse()
	server := httptest.NewServer(fault.Handler(http.NotFoundHandler(), fault.Script(
		fault.Fault{Status: http.StatusBadGateway}, fault.Fault{Status: http.StatusOK}, // a retry mends the first call
		fault.Fault{Status: http.StatusNotImplemented}, // and not the second
	)))
	defer server.Close()

	// The exporter registers itself with Prometheus's default registry, which promhttp serves.
	reader, err := exporter.New()
	if err != nil {
		log.Fatal(err)
	}
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	observer, err := otelx.NewObserver(otelx.WithMeterProvider(meters))
	if err != nil {
		log.Fatal(err)
	}
	policy, err := retry.New(retry.Config{}, retry.WithObserver(observer))
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: httpx.NewTransport(nil, policy,
		httpx.WithDestination(func(*http.Request) string { return "inventory" }))} // else it is host and port

	for range 2 {
		resp, err := client.Get(server.URL)
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/metrics", promhttp.Handler())
	go http.Serve(listener, nil)
	fmt.Printf("scrape http://%s/metrics\n", listener.Addr())
	time.Sleep(*period)
}
