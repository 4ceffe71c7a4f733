package otelx_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/otelx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// levels returns evenkeel.budget.level by destination.
func (m meter) levels(t *testing.T) map[string]float64 {
	found := map[string]float64{}
	got, ok := m.collect(t)["evenkeel.budget.level"]
	if !ok {
		return found
	}
	require.Equal(t, "1", got.Unit)
	require.NotEmpty(t, got.Description)
	for _, p := range got.Data.(metricdata.Gauge[float64]).DataPoints {
		name, _ := p.Attributes.Value("evenkeel.destination")
		found[name.AsString()] = p.Value
	}
	return found
}

func TestLevel_ReadOnCollection(t *testing.T) {
	m := newMeter()
	p := policy(t, retry.Config{Budget: budget.TokenBucket{}, Backoff: backoff.Constant(0)},
		observer(t, otelx.WithMeterProvider(m)))
	require.Empty(t, m.levels(t))

	require.NoError(t, retry.Do(t.Context(), p.For("good"), failing(0)))
	require.Error(t, retry.Do(t.Context(), p.For("bad"), failing(9)))
	full := m.levels(t)
	require.Equal(t, 1.0, full["good"])
	require.Less(t, full["bad"], 1.0)

	spent, _ := budgetLevel(t, p.For("bad"))
	require.Equal(t, spent, full["bad"])
}

// budgetLevel returns the level that a call's report holds.
func budgetLevel(t *testing.T, p *retry.Policy) (float64, bool) {
	t.Helper()
	var seen budget.Budget
	spy, err := p.Reload(p.Config(), retry.WithObserver(reports(func(r retry.Report) { seen = r.Budget })))
	require.NoError(t, err)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, retry.Do(gone, spy.For("bad"), failing(0)))
	l, ok := seen.(budget.Leveler)
	if !ok {
		return 0, false
	}
	return l.Level(), true
}

type reports func(retry.Report)

func (f reports) AttemptDone(context.Context, retry.Attempt) {}
func (f reports) CallDone(_ context.Context, r retry.Report) { f(r) }

func TestLevel_FollowsReload(t *testing.T) {
	m := newMeter()
	o := observer(t, otelx.WithMeterProvider(m))
	p := policy(t, retry.Config{Budget: budget.TokenBucket{}, Backoff: backoff.Constant(0)}, o)
	require.Error(t, retry.Do(t.Context(), p.For("db"), failing(9)))
	require.Less(t, m.levels(t)["db"], 1.0)

	next, err := p.Reload(retry.Config{Budget: budget.GRPC{}}, retry.WithObserver(o))
	require.NoError(t, err)
	require.NoError(t, retry.Do(t.Context(), next.For("db"), failing(0)))
	require.Equal(t, 1.0, m.levels(t)["db"])
}

// table is a budget that cannot be compared, which == would panic on.
type table struct {
	budget.Budget
	levels []float64
}

func (b table) Level() float64 { return b.levels[0] }

func TestLevel_UncomparableBudget(t *testing.T) {
	m := newMeter()
	o := observer(t, otelx.WithMeterProvider(m))
	for _, level := range []float64{0.25, 0.75} {
		o.CallDone(t.Context(), retry.Report{Destination: "db", Budget: table{levels: []float64{level}}})
		require.Equal(t, level, m.levels(t)["db"])
	}
}

func TestLevel_OnlyNamedDestinations(t *testing.T) {
	m := newMeter()
	p := policy(t, retry.Config{Budget: budget.TokenBucket{}},
		observer(t, otelx.WithMeterProvider(m), otelx.WithMaxDestinations(1)))
	for _, name := range []string{"a", "b", "c"} {
		require.NoError(t, retry.Do(t.Context(), p.For(name), failing(0)))
	}
	require.NoError(t, retry.Do(t.Context(), p, failing(0)))
	require.Equal(t, map[string]float64{"a": 1, "": 1}, m.levels(t))

	m = newMeter()
	p = policy(t, retry.Config{Budget: budget.TokenBucket{}},
		observer(t, otelx.WithMeterProvider(m), otelx.WithMaxDestinations(0)))
	require.NoError(t, retry.Do(t.Context(), p.For("a"), failing(0)))
	require.NoError(t, retry.Do(t.Context(), p, failing(0)))
	require.Empty(t, m.levels(t), "one level for many budgets would be a lie")
}
