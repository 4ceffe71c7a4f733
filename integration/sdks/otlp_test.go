package sdks_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

func newOTLPHTTP(ctx context.Context, policy *retry.Policy) (*otlptrace.Exporter, error) {
	// docs/sdks.md#otlp
	exporter, err := otlptracehttp.New(ctx,
		otlptracehttp.WithHTTPClient(&http.Client{
			Transport: httpx.NewTransport(nil, policy, httpx.WithIdempotencyKey()), // a span twice is better than none
			Timeout:   10 * time.Second,                                            // WithTimeout is for the exporter's own client
		}),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}),
	)
	// end
	return exporter, err
}

func newOTLPGRPC(
	ctx context.Context, policy *retry.Policy, dial []grpc.DialOption, opts ...otlptracegrpc.Option,
) (*otlptrace.Exporter, error) {
	// docs/sdks.md#otlp
	declared := grpcx.WithIdempotentMethods("opentelemetry.proto.collector.trace.v1.TraceService/Export")
	dial = append(dial, grpcx.DialOptions(policy, declared)...) // a second WithDialOption would replace the first
	exporter, err := otlptracegrpc.New(ctx, append(opts,
		otlptracegrpc.WithDialOption(dial...),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: false}),
	)...)
	// end
	return exporter, err
}

func export(ctx context.Context, e *otlptrace.Exporter, err error) error {
	if err != nil {
		return err
	}
	err = e.ExportSpans(ctx, []sdktrace.ReadOnlySpan{tracetest.SpanStub{Name: "span"}.Snapshot()})
	if stop := e.Shutdown(ctx); stop != nil {
		return stop
	}
	return err
}

func TestOTLP_HTTP(t *testing.T) {
	skipShort(t)
	with := func(ctx context.Context, base http.RoundTripper, opts ...otlptracehttp.Option) error {
		client := otlptracehttp.WithHTTPClient(&http.Client{Transport: base})
		e, err := otlptracehttp.New(ctx, append(opts, client)...)
		return export(ctx, e, err)
	}
	fakenet.HTTP(t, "otlp", unavailable, fakenet.Answer(http.StatusOK, `{}`),
		fakenet.Way{Label: fakenet.Bare, Call: func(ctx context.Context) error {
			return with(ctx, nil, otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))
		}},
		fakenet.Way{Label: fakenet.Own, Least: 4, Call: func(ctx context.Context) error { return with(ctx, nil) }},
		fakenet.Way{Label: fakenet.Evenkeel, Call: func(ctx context.Context) error {
			e, err := newOTLPHTTP(ctx, newPolicy())
			return export(ctx, e, err)
		}},
		fakenet.Way{Label: fakenet.Both, Least: 6, Call: func(ctx context.Context) error {
			return with(ctx, httpx.NewTransport(nil, newPolicy(), httpx.WithIdempotencyKey()))
		}},
	)
}

func TestOTLP_GRPC(t *testing.T) {
	skipShort(t)
	var dial []grpc.DialOption // to the server of a cell
	to := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint("passthrough:///collector"), otlptracegrpc.WithInsecure()}
	with := func(ctx context.Context, opts ...otlptracegrpc.Option) error {
		e, err := otlptracegrpc.New(ctx, append(opts, append(to, otlptracegrpc.WithDialOption(dial...))...)...)
		return export(ctx, e, err)
	}
	ways := []fakenet.Way{
		{Label: fakenet.Bare, Call: func(ctx context.Context) error {
			return with(ctx, otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{}))
		}},
		{Label: fakenet.Own, Call: func(ctx context.Context) error { return with(ctx) }},
		{Label: fakenet.Evenkeel, Call: func(ctx context.Context) error {
			e, err := newOTLPGRPC(ctx, newPolicy(), dial, to...)
			return export(ctx, e, err)
		}},
	}
	fakenet.Compare(t, "otlp", 2, ways, func(t *testing.T, column int, way fakenet.Way) string {
		t.Helper()
		s := serveRPC(t, 1, column == 1, &emptypb.Empty{})
		dial = s.dialOptions()
		err := fakenet.Deadline(t, way.Call)
		return fakenet.Cell(s.calls(), err)
	})
}
