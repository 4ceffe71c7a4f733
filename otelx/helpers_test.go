package otelx_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/leak"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/otelx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestMain(m *testing.M) { leak.Main(m) }

var errDown = errors.New("down")

func observer(t testing.TB, opts ...otelx.Option) retry.Observer {
	t.Helper()
	o, err := otelx.NewObserver(opts...)
	require.NoError(t, err)
	return o
}

// policy waits a second before each retry and spends without limit, unless cfg says otherwise.
func policy(t testing.TB, cfg retry.Config, o retry.Observer) *retry.Policy {
	t.Helper()
	if cfg.Backoff == nil {
		cfg.Backoff = backoff.Constant(time.Second)
	}
	if cfg.Budget == nil {
		cfg.Budget = budget.Unlimited{}
	}
	p, err := retry.New(cfg, testkit.Known(), retry.WithObserver(o))
	require.NoError(t, err)
	return p
}

// failing returns an operation that fails n times and then succeeds.
func failing(n int) func(context.Context) error {
	return func(context.Context) error {
		if n--; n >= 0 {
			return errDown
		}
		return nil
	}
}

// meter is a MeterProvider whose metrics are collected by hand.
type meter struct {
	*sdkmetric.MeterProvider
	reader *sdkmetric.ManualReader
}

func newMeter(opts ...sdkmetric.Option) meter {
	r := sdkmetric.NewManualReader()
	return meter{sdkmetric.NewMeterProvider(append(opts, sdkmetric.WithReader(r))...), r}
}

// collect returns every metric by its name; all must come from this package.
func (m meter) collect(t testing.TB) map[string]metricdata.Metrics {
	t.Helper()
	var rm metricdata.ResourceMetrics
	require.NoError(t, m.reader.Collect(context.Background(), &rm))
	found := map[string]metricdata.Metrics{}
	for _, s := range rm.ScopeMetrics {
		require.Equal(t, "github.com/evenkeel-go/evenkeel/otelx", s.Scope.Name)
		for _, got := range s.Metrics {
			found[got.Name] = got
		}
	}
	return found
}

// counts returns a counter's values, by their attributes.
func (m meter) counts(t testing.TB, name string) map[attribute.Distinct]int64 {
	t.Helper()
	found := map[attribute.Distinct]int64{}
	data, ok := m.collect(t)[name]
	if !ok {
		return found
	}
	for _, p := range data.Data.(metricdata.Sum[int64]).DataPoints {
		found[p.Attributes.Equivalent()] = p.Value
	}
	return found
}

// set makes a key for counts: pairs of names and values.
func set(pairs ...string) attribute.Distinct {
	var kvs []attribute.KeyValue
	for i := 0; i < len(pairs); i += 2 {
		kvs = append(kvs, attribute.String(pairs[i], pairs[i+1]))
	}
	s := attribute.NewSet(kvs...)
	return s.Equivalent()
}

// tracer is a TracerProvider that keeps the spans that have ended.
type tracer struct {
	*sdktrace.TracerProvider
	recorder *tracetest.SpanRecorder
}

func newTracer() tracer {
	r := tracetest.NewSpanRecorder()
	return tracer{sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r)), r}
}

// during runs f in a span and returns the span when it has ended.
func (tr tracer) during(f func(ctx context.Context)) sdktrace.ReadOnlySpan {
	ctx, span := tr.Tracer("test").Start(context.Background(), "caller")
	f(ctx)
	span.End()
	for _, s := range tr.recorder.Ended() {
		if s.SpanContext().SpanID() == span.SpanContext().SpanID() {
			return s
		}
	}
	return nil
}

// event is a recorded span event.
type event struct {
	name  string
	after time.Duration // the span's beginning
	attrs map[attribute.Key]any
}

func events(s sdktrace.ReadOnlySpan) (found []event) {
	for _, e := range s.Events() {
		found = append(found, event{e.Name, e.Time.Sub(s.StartTime()), values(e.Attributes)})
	}
	return found
}

func values(kvs []attribute.KeyValue) map[attribute.Key]any {
	found := map[attribute.Key]any{}
	for _, kv := range kvs {
		found[kv.Key] = kv.Value.AsInterface()
	}
	return found
}

var _ trace.TracerProvider = tracer{}
