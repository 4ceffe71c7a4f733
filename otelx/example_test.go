package otelx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/otelx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func ExampleNewObserver() {
	reader := sdkmetric.NewManualReader() // an exporter's, in a program
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))

	observer, err := otelx.NewObserver(otelx.WithMeterProvider(meters))
	if err != nil {
		panic(err)
	}
	policy := retry.Must(retry.New(
		retry.Config{Backoff: backoff.Constant(time.Millisecond)}, retry.WithObserver(observer),
	))
	attempts := 0
	err = retry.Do(context.Background(), policy, func(context.Context) error {
		if attempts++; attempts == 1 {
			return errors.New("connection reset")
		}
		return nil
	})
	fmt.Println("error:", err)

	var found metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &found); err != nil {
		panic(err)
	}
	for _, m := range found.ScopeMetrics[0].Metrics {
		counter, ok := m.Data.(metricdata.Sum[int64])
		if !ok {
			continue
		}
		var lines []string
		for _, p := range counter.DataPoints {
			lines = append(lines, fmt.Sprint(m.Name, " ", p.Attributes.Encoded(attribute.DefaultEncoder()), " ", p.Value))
		}
		slices.Sort(lines)
		fmt.Println(strings.Join(lines, "\n"))
	}
	// Output:
	// error: <nil>
	// evenkeel.calls evenkeel.stop.reason=success 1
	// evenkeel.attempts evenkeel.attempt.class=success,evenkeel.attempt.kind=retry 1
	// evenkeel.attempts evenkeel.attempt.class=transient,evenkeel.attempt.kind=first 1
	// evenkeel.calls.saved evenkeel.attempt.number=2 1
}

func ExampleWithTracerProvider() {
	spans := tracetest.NewSpanRecorder()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))

	observer, err := otelx.NewObserver(otelx.WithTracerProvider(tracers))
	if err != nil {
		panic(err)
	}
	policy := retry.Must(retry.New(
		retry.Config{MaxAttempts: 2, Backoff: backoff.Constant(time.Millisecond)}, retry.WithObserver(observer),
	))
	ctx, span := tracers.Tracer("example").Start(context.Background(), "nightly report")
	_ = retry.Do(ctx, policy, func(context.Context) error { return errors.New("connection reset") })
	span.End()

	for _, e := range spans.Ended()[0].Events() {
		fmt.Println(e.Name, e.Attributes[0].Key, e.Attributes[0].Value.String())
	}
	// Output:
	// evenkeel.wait evenkeel.attempt.number 2
	// evenkeel.stop evenkeel.stop.reason max_attempts
}

func ExampleWithAttemptSpans() {
	spans := tracetest.NewSpanRecorder()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))

	observer, err := otelx.NewObserver(otelx.WithTracerProvider(tracers), otelx.WithAttemptSpans())
	if err != nil {
		panic(err)
	}
	policy := retry.Must(retry.New(
		retry.Config{MaxAttempts: 2, Backoff: backoff.Constant(time.Millisecond)}, retry.WithObserver(observer),
	))
	_ = retry.Do(context.Background(), policy, func(context.Context) error { return errors.New("connection reset") })

	for _, s := range spans.Ended() {
		fmt.Println(s.Name(), s.Status().Code, s.Status().Description)
	}
	// Output:
	// evenkeel.attempt Error transient
	// evenkeel.attempt Error transient
}

// broken is a RoundTripper whose every attempt fails.
type broken struct{}

func (broken) RoundTrip(req *http.Request) (*http.Response, error) {
	if count, ok := otelx.ResendCount(req.Context()); ok {
		fmt.Println(count.Key, count.Value.String())
	}
	return nil, io.ErrUnexpectedEOF
}

// ResendCount serves instrumentation of your own; otelhttp accepts ClientTrace.
func ExampleResendCount() {
	policy := retry.Must(retry.New(retry.Config{Backoff: backoff.Constant(time.Millisecond)}))
	client := http.Client{Transport: httpx.NewTransport(broken{}, policy)}
	_, err := client.Get("http://inventory.internal/items/7")
	fmt.Println(err != nil)
	// Output:
	// http.request.resend_count 1
	// http.request.resend_count 2
	// true
}
