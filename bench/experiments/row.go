package experiments

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Row is one policy under one set of parameters.
type Row struct {
	Policy  string
	Params  map[string]any
	Metrics map[string]*float64 // nil: never, and null in JSON

	Published map[string]float64 // what the source has for the metric; Never: it never happens
	Within    map[string]Within  // how near to Published counts as agreement
	Bars      map[string]Bar     // what the metric must hold, published or not
}

// Never is the published figure of what does not happen.
var Never = math.Inf(1)

// Within is the tolerance within which two figures agree: one of the two is enough.
type Within struct {
	Abs float64 // in the metric's own unit
	Rel float64 // as a part of the published figure
}

// Bar is the least and the most a figure may be; 0 means no limit.
type Bar struct{ AtLeast, AtMost float64 }

// Value makes a metric of a figure: infinite and undefined ones are nil.
func Value(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}

// Difference is measured less published. It is infinite if one of the two is Never, 0 if both are.
// ok is false if nothing was published.
func (r Row) Difference(metric string) (d float64, ok bool) {
	published, ok := r.Published[metric]
	if !ok {
		return 0, false
	}
	v := r.Metrics[metric]
	switch never := math.IsInf(published, 1); {
	case v == nil && never:
		return 0, true
	case v == nil:
		return math.Inf(1), true
	case never:
		return math.Inf(-1), true
	}
	return *v - published, true
}

// Agrees reports whether a metric agrees with what was published. ok is false if nothing was.
func (r Row) Agrees(metric string) (agrees, ok bool) {
	d, ok := r.Difference(metric)
	if !ok {
		return false, false
	}
	return d == 0 || math.Abs(d) <= r.near(metric)+1e-9, true
}

// near returns how far the metric may be from the published figure.
func (r Row) near(metric string) float64 {
	published := r.Published[metric]
	if math.IsInf(published, 0) {
		return 0
	}
	w := r.Within[metric]
	return max(w.Abs, w.Rel*math.Abs(published))
}

// Holds reports whether a metric is within its bar. ok is false if it has none.
func (r Row) Holds(metric string) (holds, ok bool) {
	b, ok := r.Bars[metric]
	if !ok {
		return false, false
	}
	v := r.Metrics[metric]
	if v == nil {
		return false, true
	}
	return (b.AtLeast == 0 || *v >= b.AtLeast) && (b.AtMost == 0 || *v <= b.AtMost), true
}

// Off describes each figure that disagrees or misses its bar.
func (r Row) Off() []string {
	return r.off(slices.Sorted(maps.Keys(r.Metrics)), func(string) Format { return bare })
}

func (r Row) off(metrics []string, format func(metric string) Format) []string {
	var off []string
	for _, m := range metrics {
		show := format(m)
		have, ok := r.Metrics[m]
		if ok && have != nil && (show(*have) == show(r.Published[m]) || r.Bars[m].touches(*have, show)) {
			show = bare // a difference that the table does not show
		}
		if agrees, ok := r.Agrees(m); ok && !agrees {
			off = append(off, fmt.Sprintf("%s is %s, published %s", m, orWord(orNever(have), show), orWord(r.Published[m], show)))
		}
		if holds, ok := r.Holds(m); ok && !holds {
			off = append(off, fmt.Sprintf("%s is %s, must be %s", m, orWord(orNever(have), show), r.Bars[m].text(show)))
		}
	}
	return off
}

// Label returns the policy and its parameters.
func (r Row) Label() string {
	parts := []string{r.Policy}
	for _, p := range slices.Sorted(maps.Keys(r.Params)) {
		parts = append(parts, fmt.Sprintf("%s=%v", p, r.Params[p]))
	}
	return strings.Join(parts, " ")
}

func (b Bar) text(show Format) string {
	var parts []string
	if b.AtLeast != 0 {
		parts = append(parts, "at least "+show(b.AtLeast))
	}
	if b.AtMost != 0 {
		parts = append(parts, "at most "+show(b.AtMost))
	}
	return strings.Join(parts, " and ")
}

// touches reports whether a figure is shown as one of the bar's own.
func (b Bar) touches(v float64, show Format) bool {
	return b.AtLeast != 0 && show(v) == show(b.AtLeast) || b.AtMost != 0 && show(v) == show(b.AtMost)
}

func bare(v float64) string {
	if math.IsInf(v, 0) {
		return "never"
	}
	return fmt.Sprintf("%.4g", v)
}

// publish adds the figure that a source has for a metric.
func (r *Row) publish(metric string, v float64, within Within) {
	if r.Published == nil {
		r.Published, r.Within = map[string]float64{}, map[string]Within{}
	}
	r.Published[metric], r.Within[metric] = v, within
}

// points returns a tolerance of so many points of a percentage.
func points(n float64) Within { return Within{Abs: n / 100} }

// share returns a tolerance of a part of what was published.
func share(rel float64) Within { return Within{Rel: rel} }
