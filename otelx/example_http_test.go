package otelx_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/otelx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// instrumented stands for otelhttp.NewTransport(base,
// otelhttp.WithClientTrace(otelx.ClientTrace)).
type instrumented struct {
	tracer trace.Tracer
	base   http.RoundTripper
}

func (t instrumented) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, span := t.tracer.Start(req.Context(), "HTTP "+req.Method, trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	ctx = httptrace.WithClientTrace(ctx, otelx.ClientTrace(ctx))
	return t.base.RoundTrip(req.WithContext(ctx))
}

func ExampleClientTrace() {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests++; requests == 1 {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer server.Close()

	spans := tracetest.NewSpanRecorder()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	policy := retry.Must(retry.New(retry.Config{Backoff: backoff.Constant(time.Millisecond)}))
	attempts := instrumented{tracers.Tracer("example"), server.Client().Transport}
	client := &http.Client{Transport: httpx.NewTransport(attempts, policy)}

	resp, err := client.Get(server.URL)
	if err != nil {
		panic(err)
	}
	resp.Body.Close()
	fmt.Println(resp.Status)
	for _, s := range spans.Ended() {
		fmt.Print(s.Name())
		for _, a := range s.Attributes() {
			fmt.Print(" ", a.Key, "=", a.Value.String())
		}
		fmt.Println()
	}
	// Output:
	// 200 OK
	// HTTP GET
	// HTTP GET http.request.resend_count=1
}

func ExampleWithGlobals() {
	observer, err := otelx.NewObserver(otelx.WithGlobals()) // otel.SetMeterProvider may come later
	if err != nil {
		panic(err)
	}
	policy, err := retry.New(retry.Config{MaxAttempts: 5}, retry.WithObserver(observer))
	fmt.Println(policy.Config().MaxAttempts, err)
	// Output: 5 <nil>
}

// A client that talks to any number of hosts, such as a crawler, leaves the attribute
// evenkeel.destination out.
func ExampleWithMaxDestinations() {
	_, err := otelx.NewObserver(otelx.WithGlobals(), otelx.WithMaxDestinations(0))
	fmt.Println(err)
	_, err = otelx.NewObserver(otelx.WithMaxDestinations(-1), otelx.WithMeterProvider(nil))
	fmt.Println(err)
	// Output:
	// <nil>
	// otelx: bad options: WithMaxDestinations: must not be negative, not -1
	// WithMeterProvider: must not be nil
}
