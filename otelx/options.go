package otelx

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// defaultMaxDestinations bounds the values of evenkeel.destination. The SDK keeps at most 2,000
// attribute sets an instrument unless told otherwise, and evenkeel.attempts has up to 27 a
// destination.
const defaultMaxDestinations = 70

// Option configures an Observer.
type Option func(*config) error

type config struct {
	meters          metric.MeterProvider // nil: no metrics
	tracers         trace.TracerProvider // nil: no events, no spans
	globals         bool
	attemptSpans    bool
	withoutGRPC     bool
	maxDestinations int
}

// WithMeterProvider turns metrics on and sets their provider.
func WithMeterProvider(mp metric.MeterProvider) Option {
	return func(c *config) error {
		c.meters = mp
		return conf.Check(mp != nil, "WithMeterProvider", "must not be nil")
	}
}

// WithTracerProvider turns traces on: events on the caller's span, whichever provider made it,
// and, with WithAttemptSpans, spans made by tp.
func WithTracerProvider(tp trace.TracerProvider) Option {
	return func(c *config) error {
		c.tracers = tp
		return conf.Check(tp != nil, "WithTracerProvider", "must not be nil")
	}
}

// WithGlobals uses otel.GetMeterProvider and otel.GetTracerProvider for the providers that are not
// passed in. The global providers may be set after the Observer is made.
func WithGlobals() Option {
	return func(c *config) error {
		c.globals = true
		return nil
	}
}

// WithAttemptSpans makes a span of each attempt, a child of the caller's. It is for retry.Do and
// DoValue, whose attempts nothing else may trace: otelhttp and otelgrpc make a span per attempt
// themselves. The span is made when the attempt has ended, with the times at which it began and
// ended; spans that were made within the attempt are its siblings. It needs a TracerProvider.
func WithAttemptSpans() Option {
	return func(c *config) error {
		c.attemptSpans = true
		return nil
	}
}

// WithoutGRPCMetrics leaves out the four metrics that have gRPC's own names (gRFC A96). Use it in
// a program whose gRPC records them itself, where each call would be counted twice. gRPC-Go 1.85
// records none of them.
func WithoutGRPCMetrics() Option {
	return func(c *config) error {
		c.withoutGRPC = true
		return nil
	}
}

// WithMaxDestinations bounds how many destinations the attribute evenkeel.destination
// distinguishes, 70 by default; later ones are "other". With 0 the attribute and
// evenkeel.budget.level are left out.
func WithMaxDestinations(n int) Option {
	return func(c *config) error {
		c.maxDestinations = n
		return conf.Check(n >= 0, "WithMaxDestinations", "must not be negative, not %d", n)
	}
}

func newConfig(opts []Option) (config, error) {
	c := config{maxDestinations: defaultMaxDestinations}
	var errs []error
	for i, opt := range opts {
		if opt == nil {
			errs = append(errs, conf.Errorf("Option", "must not be nil (number %d)", i+1))
			continue
		}
		errs = append(errs, opt(&c))
	}
	if c.globals && c.meters == nil {
		c.meters = otel.GetMeterProvider()
	}
	if c.globals && c.tracers == nil {
		c.tracers = otel.GetTracerProvider()
	}
	if c.attemptSpans && c.tracers == nil {
		errs = append(errs, conf.Errorf("WithAttemptSpans", "needs WithTracerProvider or WithGlobals"))
	}
	if err := errors.Join(errs...); err != nil {
		return config{}, fmt.Errorf("otelx: bad options: %w", err)
	}
	return c, nil
}
