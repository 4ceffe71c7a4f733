package otelx

import (
	"context"
	"reflect"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/dest"
	"github.com/evenkeel-go/evenkeel/retry"
)

// other stands for the destinations beyond the limit.
const other = "other"

// destination holds the recording options for calls to one destination: they are made once,
// so that a call that succeeds at once costs no allocation.
type destination struct {
	calls    [][]metric.AddOption   // by reason
	attempts [][][]metric.AddOption // by kind and label
	saved    [][]metric.AddOption   // by the number of the attempt that succeeded, from 2
	wins     []metric.AddOption
	waits    []metric.RecordOption

	refused, refusedLate []metric.AddOption // by the budget: at once, after a wait

	level  []metric.ObserveOption
	budget atomic.Pointer[leveler] // of the call that ended last
}

// leveler is a budget that can report its level.
type leveler struct {
	budget.Leveler
	comparable bool // == does not panic
}

func newDestination(attrs ...attribute.KeyValue) *destination {
	with := func(more ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(append(more, attrs...)...))
	}
	plain := with()
	d := &destination{
		wins: []metric.AddOption{plain}, waits: []metric.RecordOption{plain}, level: []metric.ObserveOption{plain},
	}
	for _, number := range savedByNumber {
		d.saved = append(d.saved, []metric.AddOption{with(attemptNumberKey.String(number))})
	}
	d.refused = []metric.AddOption{with(budgetWaitedKey.Bool(false))}
	d.refusedLate = []metric.AddOption{with(budgetWaitedKey.Bool(true))}
	for _, reason := range reasonNames {
		d.calls = append(d.calls, []metric.AddOption{with(stopReasonKey.String(reason))})
	}
	for _, kind := range kindNames {
		var classes [][]metric.AddOption
		for _, class := range labelNames {
			classes = append(classes, []metric.AddOption{
				with(attemptKindKey.String(kind), attemptClassKey.String(class)),
			})
		}
		d.attempts = append(d.attempts, classes)
	}
	return d
}

// watch keeps the budget of a call that has ended for observe. A reload may have replaced the
// budget.
func (d *destination) watch(r retry.Report) {
	now, ok := r.Budget.(budget.Leveler)
	if !ok {
		return
	}
	was := d.budget.Load()
	if was != nil && was.comparable && was.Leveler == now { // if now's type is another, == is false and does not panic
		return
	}
	d.budget.Store(&leveler{now, reflect.ValueOf(now).Comparable()})
}

// destinations holds the destinations that evenkeel.destination distinguishes, up to a number.
type destinations struct {
	own   *destination                      // of policies that For did not make, or of all if none is distinguished
	other *destination                      // of those that are too many
	named *dest.Table[string, *destination] // never forgets: a series that was once made stays
}

func newDestinations(limit int) *destinations {
	ds := &destinations{own: newDestination(), named: dest.New[string, *destination](limit, nil)}
	ds.other = newDestination(destinationKey.String(other))
	if limit == 0 {
		ds.other = ds.own
	}
	return ds
}

func (ds *destinations) get(name string) *destination {
	if name == "" {
		return ds.own
	}
	if d, ok := ds.named.GetOrFill(name, newNamed); ok {
		return d.Value
	}
	return ds.other
}

func newNamed(name string) *destination {
	return newDestination(destinationKey.String(strings.ToValidUTF8(name, "\uFFFD"))) // exporters require valid UTF-8
}

// observe reports the level of each destination's budget, but not of those under other.
func (ds *destinations) observe(_ context.Context, to metric.Float64Observer) error {
	if ds.own != ds.other {
		ds.own.observe(to)
	}
	for _, d := range ds.named.All() {
		d.Value.observe(to)
	}
	return nil
}

func (d *destination) observe(to metric.Float64Observer) {
	if b := d.budget.Load(); b != nil {
		to.Observe(b.Level(), d.level...)
	}
}
