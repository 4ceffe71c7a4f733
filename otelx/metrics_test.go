package otelx_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/otelx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestMetrics_CountByOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter()
		p := policy(t, retry.Config{}, observer(t, otelx.WithMeterProvider(m)))
		ctx := t.Context()
		require.NoError(t, retry.Do(ctx, p, failing(0)))
		require.NoError(t, retry.Do(ctx, p, failing(1)))
		require.Error(t, retry.Do(ctx, p, failing(9)))
		require.Error(t, retry.Do(ctx, p.For("db"), func(context.Context) error { return retry.Permanent(errDown) }))
		gone, cancel := context.WithCancel(ctx)
		cancel()
		require.Error(t, retry.Do(gone, p, failing(0)))

		require.Equal(t, map[attribute.Distinct]int64{
			set("evenkeel.stop.reason", "success"):                                2,
			set("evenkeel.stop.reason", "max_attempts"):                           1,
			set("evenkeel.stop.reason", "canceled"):                               1,
			set("evenkeel.stop.reason", "rejected", "evenkeel.destination", "db"): 1,
		}, m.counts(t, "evenkeel.calls"))
		attempt := func(kind, class string, more ...string) attribute.Distinct {
			return set(append(more, "evenkeel.attempt.kind", kind, "evenkeel.attempt.class", class)...)
		}
		require.Equal(t, map[attribute.Distinct]int64{
			attempt("first", "success"):                                1,
			attempt("first", "transient"):                              2,
			attempt("retry", "success"):                                1,
			attempt("retry", "transient"):                              2,
			attempt("first", "rejected", "evenkeel.destination", "db"): 1,
		}, m.counts(t, "evenkeel.attempts"))
	})
}

func TestMetrics_ReasonAndClassNamesDistinct(t *testing.T) {
	m := newMeter()
	o := observer(t, otelx.WithMeterProvider(m))
	for r := retry.ReasonNone; r <= retry.ReasonPaused; r++ {
		o.CallDone(t.Context(), retry.Report{Reason: r})
	}
	o.CallDone(t.Context(), retry.Report{Reason: 200})
	calls := m.counts(t, "evenkeel.calls")
	for r := retry.ReasonNone; r <= retry.ReasonPaused; r++ {
		require.EqualValues(t, 1, calls[set("evenkeel.stop.reason", r.String())], "%v", r)
	}
	require.EqualValues(t, 1, calls[set("evenkeel.stop.reason", "unknown")])

	for k, kind := range []string{"first", "retry", "hedge"} {
		for c := retry.Success; c <= retry.Canceled; c++ {
			o.AttemptDone(t.Context(), retry.Attempt{Kind: budget.Kind(k), Outcome: retry.Outcome{Class: c}})
			key := set("evenkeel.attempt.kind", kind, "evenkeel.attempt.class", c.String())
			require.EqualValues(t, 1, m.counts(t, "evenkeel.attempts")[key], "%s %v", kind, c)
		}
	}
	o.AttemptDone(t.Context(), retry.Attempt{Kind: 200, Outcome: retry.Outcome{Class: 200}})
	key := set("evenkeel.attempt.kind", "unknown", "evenkeel.attempt.class", "unknown")
	require.EqualValues(t, 1, m.counts(t, "evenkeel.attempts")[key])
}

func TestMetrics_WaitRecordedOncePerCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter()
		p := policy(t, retry.Config{}, observer(t, otelx.WithMeterProvider(m)))
		require.NoError(t, retry.Do(t.Context(), p, failing(0)))
		require.NotContains(t, m.collect(t), "evenkeel.call.wait")

		require.NoError(t, retry.Do(t.Context(), p, failing(2)))
		got := m.collect(t)["evenkeel.call.wait"]
		require.Equal(t, "s", got.Unit)
		points := got.Data.(metricdata.Histogram[float64]).DataPoints
		require.Len(t, points, 1)
		require.EqualValues(t, 1, points[0].Count)
		require.Equal(t, 2.0, points[0].Sum)
		require.Equal(t, latencies, points[0].Bounds)
	})
}

func TestMetrics_HedgeWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter()
		p := policy(t, retry.Config{Hedge: timeout.Fixed(time.Second)}, observer(t, otelx.WithMeterProvider(m)))
		first := true
		var mu sync.Mutex
		_, err := retry.DoValue(t.Context(), p, func(ctx context.Context) (int, error) {
			mu.Lock()
			slow := first
			first = false
			mu.Unlock()
			if slow {
				<-ctx.Done()
				return 0, ctx.Err()
			}
			return 1, nil
		})
		require.NoError(t, err)
		require.Equal(t, map[attribute.Distinct]int64{set(): 1}, m.counts(t, "evenkeel.hedge.wins"))
		require.EqualValues(t, 1, m.counts(t, "evenkeel.attempts")[set(
			"evenkeel.attempt.kind", "hedge", "evenkeel.attempt.class", "success",
		)])
		_, err = retry.DoValue(t.Context(), p, func(context.Context) (int, error) { return 1, nil })
		require.NoError(t, err)
		require.Equal(t, map[attribute.Distinct]int64{set(): 1}, m.counts(t, "evenkeel.hedge.wins"))
	})
}

func TestMetrics_CanceledAttemptsSayByWhom(t *testing.T) {
	m := newMeter()
	o := observer(t, otelx.WithMeterProvider(m))
	for label, a := range map[string]retry.Attempt{
		"lost_race": {Lost: true, Outcome: retry.Outcome{Class: retry.Canceled}},
		"deadline":  {Outcome: retry.Outcome{Class: retry.Canceled, Forbidden: retry.ReasonDeadline}},
		"canceled":  {Outcome: retry.Outcome{Class: retry.Canceled, Forbidden: retry.ReasonCanceled}},
		"rejected":  {Outcome: retry.Outcome{Class: retry.Rejected, Forbidden: retry.ReasonDeadline}},
	} {
		o.AttemptDone(t.Context(), a)
		key := set("evenkeel.attempt.kind", "first", "evenkeel.attempt.class", label)
		require.EqualValues(t, 1, m.counts(t, "evenkeel.attempts")[key], label)
	}
}

func TestMetrics_SavedCallsByAttempt(t *testing.T) {
	m := newMeter()
	o := observer(t, otelx.WithMeterProvider(m))
	for _, answer := range []int{0, 1, 2, 2, 3, 5, 100} {
		o.CallDone(t.Context(), retry.Report{Reason: retry.ReasonSuccess, Attempts: answer, Answer: answer})
	}
	o.CallDone(t.Context(), retry.Report{Reason: retry.ReasonSuccess, Attempts: 2, Answer: 2, Hedged: true, Hedges: 1})
	o.CallDone(t.Context(), retry.Report{Reason: retry.ReasonMaxAttempts, Attempts: 3, Answer: 3})
	require.Equal(t, map[attribute.Distinct]int64{
		set("evenkeel.attempt.number", "2"):  2,
		set("evenkeel.attempt.number", "3"):  1,
		set("evenkeel.attempt.number", "5+"): 2,
	}, m.counts(t, "evenkeel.calls.saved"))
}

func TestMetrics_BudgetWaitsAndRefusalsSeparate(t *testing.T) {
	m := newMeter()
	o := observer(t, otelx.WithMeterProvider(m))
	for _, r := range []retry.Report{
		{Reason: retry.ReasonSuccess, Attempts: 2, Answer: 2, Waited: 3 * time.Second, Queued: 2 * time.Second},
		{Reason: retry.ReasonBudget, Attempts: 1, Answer: 1, Waited: time.Second, Queued: time.Second},
		{Reason: retry.ReasonBudget, Attempts: 1, Answer: 1},
		{Reason: retry.ReasonMaxAttempts, Attempts: 3, Answer: 3, Waited: time.Second},
	} {
		o.CallDone(t.Context(), r)
	}
	refused := func(waited bool) attribute.Distinct {
		set := attribute.NewSet(attribute.Bool("evenkeel.budget.waited", waited))
		return set.Equivalent()
	}
	require.Equal(t, map[attribute.Distinct]int64{refused(true): 1, refused(false): 1}, m.counts(t, "evenkeel.budget.refusals"))
	waits := m.collect(t)["evenkeel.budget.wait"].Data.(metricdata.Histogram[float64]).DataPoints
	require.Len(t, waits, 1)
	require.EqualValues(t, 2, waits[0].Count)
	require.Equal(t, 3., waits[0].Sum)
}

func TestMetrics_DestinationsBounded(t *testing.T) {
	m := newMeter()
	o := observer(t, otelx.WithMeterProvider(m), otelx.WithMaxDestinations(2))
	for i := range 10 {
		o.CallDone(t.Context(), retry.Report{Destination: fmt.Sprint("host", i), Reason: retry.ReasonSuccess})
	}
	ok := func(destination string) attribute.Distinct {
		return set("evenkeel.stop.reason", "success", "evenkeel.destination", destination)
	}
	require.Equal(t, map[attribute.Distinct]int64{ok("host0"): 1, ok("host1"): 1, ok("other"): 8},
		m.counts(t, "evenkeel.calls"))
}

func TestMetrics_NoDestinationAttributeByDefault(t *testing.T) {
	m := newMeter()
	o := observer(t, otelx.WithMeterProvider(m), otelx.WithMaxDestinations(0))
	p := policy(t, retry.Config{Budget: budget.TokenBucket{}}, o)
	require.NoError(t, retry.Do(t.Context(), p.For("a"), failing(0)))
	require.NoError(t, retry.Do(t.Context(), p, failing(0)))
	require.Equal(t, map[attribute.Distinct]int64{set("evenkeel.stop.reason", "success"): 2},
		m.counts(t, "evenkeel.calls"))
}

func TestMetrics_InvalidUTF8Replaced(t *testing.T) {
	m := newMeter()
	o := observer(t, otelx.WithMeterProvider(m))
	o.CallDone(t.Context(), retry.Report{Destination: "h\xff", Reason: retry.ReasonSuccess})
	require.Equal(t, map[attribute.Distinct]int64{
		set("evenkeel.stop.reason", "success", "evenkeel.destination", "h\uFFFD"): 1,
	}, m.counts(t, "evenkeel.calls"))
}

func TestMetrics_ConcurrentCollection(t *testing.T) {
	m := newMeter()
	o := observer(t, otelx.WithMeterProvider(m), otelx.WithMaxDestinations(8))
	p := policy(t, retry.Config{Budget: budget.Adaptive{}}, o)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 50 {
				_ = retry.Do(t.Context(), p.For(fmt.Sprint("host", (g+i)%16)), failing(0))
			}
		})
	}
	for range 5 {
		m.collect(t)
	}
	all.Wait()
	var sum int64
	for _, n := range m.counts(t, "evenkeel.calls") {
		sum += n
	}
	require.EqualValues(t, 8*50, sum)
}

func TestMetrics_DescriptionsAndUnits(t *testing.T) {
	m := newMeter()
	o := observer(t, otelx.WithMeterProvider(m))
	o.AttemptDone(t.Context(), retry.Attempt{Number: 1})
	o.CallDone(t.Context(), retry.Report{
		Reason: retry.ReasonSuccess, Attempts: 2, Hedged: true, Waited: time.Second, Queued: time.Second,
	})
	o.CallDone(t.Context(), retry.Report{Reason: retry.ReasonBudget, Attempts: 1})
	o.CallDone(t.Context(), retry.Report{Reason: retry.ReasonSuccess, Attempts: 2, Answer: 2})
	units := map[string]string{
		"evenkeel.calls": "{call}", "evenkeel.attempts": "{attempt}", "evenkeel.hedge.wins": "{call}",
		"evenkeel.call.wait": "s", "evenkeel.calls.saved": "{call}", "evenkeel.budget.wait": "s",
		"evenkeel.budget.refusals": "{call}",
	}
	found := m.collect(t)
	require.Len(t, found, len(units))
	for name, unit := range units {
		require.Equal(t, unit, found[name].Unit, name)
		require.NotEmpty(t, found[name].Description, name)
	}
}
