package deploy_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/util/teststorage"
	"github.com/stretchr/testify/require"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/otelx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// scrapes is how often Prometheus reads the metrics.
const scrapes = 10 * time.Second

// load is calls of one client under the default policy to a server that fails some of them with a
// 503.
type load struct {
	perSecond int
	lasts     time.Duration
	fails     func(at time.Duration) float64
}

// sample is one value of one series.
type sample struct {
	series labels.Labels
	at     time.Time
	value  float64
}

// run makes the calls in a bubble, where an hour takes seconds, and returns what Prometheus would
// have scraped.
func (l load) run(t *testing.T) (samples []sample) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		reader, err := exporter.New(exporter.WithRegisterer(registry))
		require.NoError(t, err)
		observer, err := otelx.NewObserver(otelx.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
		require.NoError(t, err)
		policy, err := retry.New(retry.Config{}, retry.WithObserver(observer))
		require.NoError(t, err)
		start := time.Now()
		random := rand.New(rand.NewPCG(1, 2))
		answers := make(chan float64, 1) // a lock
		answers <- 0
		client := &http.Client{
			Timeout: 5 * time.Second,
			Transport: httpx.NewTransport(roundTrip(func(*http.Request) (*http.Response, error) {
				time.Sleep(10 * time.Millisecond)
				<-answers
				u := random.Float64()
				answers <- 0
				code := http.StatusOK
				if u < l.fails(time.Since(start)) {
					code = http.StatusServiceUnavailable
				}
				return &http.Response{StatusCode: code, Body: http.NoBody}, nil
			}), policy),
		}
		nextScrape := start.Add(scrapes)
		for time.Since(start) < l.lasts {
			go func() { _, _ = client.Get("http://backend/") }()
			time.Sleep(time.Second / time.Duration(l.perSecond))
			if now := time.Now(); !now.Before(nextScrape) {
				samples = append(samples, gather(t, registry, now)...)
				nextScrape = nextScrape.Add(scrapes)
			}
		}
		time.Sleep(time.Minute)
	})
	return samples
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func gather(t *testing.T, registry *prometheus.Registry, at time.Time) (samples []sample) {
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var value float64
			switch f.GetType() {
			case dto.MetricType_COUNTER:
				value = m.GetCounter().GetValue()
			case dto.MetricType_GAUGE:
				value = m.GetGauge().GetValue()
			default:
				continue // no rule uses a histogram
			}
			//lint:ignore SA1019 its replacement is another module
			series := map[string]string{labels.MetricName: f.GetName(), "job": "client"}
			for _, l := range m.GetLabel() {
				series[l.GetName()] = l.GetValue()
			}
			samples = append(samples, sample{labels.FromMap(series), at, value})
		}
	}
	return samples
}

func rulesOf(t *testing.T) []rulefmt.Rule {
	groups, errs := rulefmt.ParseFile("alerts.yml", false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	require.Empty(t, errs)
	require.Len(t, groups.Groups, 1)
	require.NotEmpty(t, groups.Groups[0].Rules)
	return groups.Groups[0].Rules
}

// evaluate runs the rules every five seconds over samples, and returns how long after the start
// each fired first.
func evaluate(t *testing.T, samples []sample) map[string]time.Duration {
	require.NotEmpty(t, samples)
	db := teststorage.New(t)
	app := db.Appender(t.Context())
	for _, s := range samples {
		_, err := app.Append(0, s.series, s.at.UnixMilli(), s.value)
		require.NoError(t, err)
	}
	require.NoError(t, app.Commit())
	engine := promql.NewEngine(promql.EngineOpts{
		Logger: slog.New(slog.DiscardHandler), MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute,
	})
	defer engine.Close()
	query := rules.EngineQueryFunc(engine, db)

	start := samples[0].at.Add(-scrapes)
	fired := map[string]time.Duration{}
	for _, r := range rulesOf(t) {
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(r.Expr)
		require.NoError(t, err)
		rule := rules.NewAlertingRule(
			r.Alert, expr, time.Duration(r.For), time.Duration(r.KeepFiringFor), labels.FromMap(r.Labels),
			labels.FromMap(r.Annotations), labels.EmptyLabels(), "", true, slog.New(slog.DiscardHandler),
		)
		for at := samples[0].at; !at.After(samples[len(samples)-1].at); at = at.Add(5 * time.Second) {
			_, err := rule.Eval(context.Background(), 0, at, query, nil, 0)
			require.NoError(t, err)
			if slices.ContainsFunc(rule.ActiveAlerts(), func(a *rules.Alert) bool { return a.State == rules.StateFiring }) {
				fired[r.Alert] = at.Sub(start)
				t.Log(r.Alert, "fired after", at.Sub(start))
				break
			}
		}
	}
	return fired
}
