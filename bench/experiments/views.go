package experiments

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/evenkeel-go/evenkeel/bench/report"
)

// view maps some figures of an experiment to a chart.
type view struct {
	title   string   // "" is the experiment's question
	x       string   // the param along x, for a chart of lines; "" is a chart of dots
	xLabel  string   // "" is the param's name
	rows    []string // dots: what makes a row, params or "policy"; nil: whatever the series do not tell
	series  string   // what makes a series: "policy", which "" means, a param, or "metric"
	metrics []string // which figures: one, or several as series
	label   string   // of the figures' axis
	logX    bool
	log     bool    // the figures' axis
	floor   float64 // where the figures' axis begins, unless there are lower ones
}

// loadLabel names the axis of a load.
const loadLabel = "load: attempts sent per call"

// views are the charts of each experiment. One that is not here has a row of dots for each of its
// metrics.
var views = map[string][]view{
	"retry-budget": {
		{title: "Calls that succeed", x: "p", metrics: []string{"success"}, label: "success, %"},
		{title: "What that costs", x: "p", metrics: []string{"load"}, label: loadLabel, floor: 1},
	},
	"outage": {{
		title: "The first ten seconds of a total outage", x: "clients", xLabel: "processes that make 1,000 calls/s in all",
		logX: true, metrics: []string{"load"}, label: loadLabel, log: true,
	}},
	"stack": {
		{title: "Attempts at the leaf per user request", x: "p", metrics: []string{"load"}, label: loadLabel, log: true},
		{title: "User requests that succeed", x: "p", metrics: []string{"success"}, label: "success, %"},
	},
	"metastable": {{
		title: "Until goodput is back, from the start of an outage of ten seconds", x: "rate", metrics: []string{"recovery_s"},
		label: "recovery", log: true,
	}},
	"brownout": {
		{title: "Until goodput is back", rows: []string{"case", "server"}, metrics: []string{"recovery_s"}, label: "recovery"},
		{
			title: "The worst second's attempts per call", rows: []string{"case", "server"}, metrics: []string{"peak"},
			label: "load of the worst second", floor: 1,
		},
	},
	"spike": {
		{title: "Calls that succeed", rows: []string{"shape"}, metrics: []string{"success"}, label: "success, %"},
		{title: "What that costs", rows: []string{"shape"}, metrics: []string{"load"}, label: loadLabel, floor: 1},
	},
	"occ": {
		{title: "Work", x: "clients", logX: true, series: "jitter", metrics: []string{"calls"}, label: "calls (writes)", log: true},
		{title: "Time", x: "clients", logX: true, series: "jitter", metrics: []string{"time"}, label: "time", log: true},
	},
	"hedge": {{
		title: "Latency", rows: []string{"policy"}, series: "metric",
		metrics: []string{"p50_ms", "p95_ms", "p99_ms", "p999_ms"}, label: "ms", log: true,
	}},
	"hedge-fanout": {{
		title: "Latency of a request for 1,000 keys", rows: []string{"policy"}, series: "metric",
		metrics: []string{"p50_ms", "p95_ms", "p99_ms", "p999_ms"}, label: "ms", log: true,
	}},
	"replicas": {
		{title: "Calls that succeed", rows: []string{"fault", "balancing"}, metrics: []string{"success"}, label: "success, %"},
		{title: "What that costs", rows: []string{"fault", "balancing"}, metrics: []string{"load"}, label: loadLabel, floor: 1},
	},
	"busy": {{title: "Calls that succeed", rows: []string{"policy"}, metrics: []string{"success"}, label: "success, %", floor: .9}},
	"limits": {{
		title: "The first ten seconds of a total outage, made harder", rows: []string{"case", "clients"}, metrics: []string{"load"},
		label: loadLabel, floor: 1,
	}},
	"fleet-budget": {
		{title: "Attempts per call", rows: []string{"case", "servers"}, metrics: []string{"load"}, label: loadLabel, floor: 1},
		{title: "Calls that succeed", rows: []string{"case", "servers"}, metrics: []string{"success"}, label: "success, %"},
	},
	"overload": {
		{
			title: "Calls of CRITICAL_PLUS that succeed", rows: []string{"load", "server"}, metrics: []string{"top"}, label: "success, %",
		},
		{
			title: "What the server does for somebody", rows: []string{"load", "server"}, metrics: []string{"goodput"},
			label: "of its capacity, %",
		},
	},
	"playground": {
		{title: "Attempts per call in the fault", rows: []string{"fault"}, metrics: []string{"fault_load"}, label: loadLabel, floor: 1},
		{title: "Calls that succeed, in all", rows: []string{"fault"}, metrics: []string{"success"}, label: "success, %"},
	},
	"loop": {{
		title: "Attempts in an outage, as a multiple of the usual", rows: []string{"pace"}, metrics: []string{"rate"}, label: "rate", log: true,
	}},
	"live": {{
		title: "Attempts per call", rows: []string{"policy", "transport", "scenario"}, series: "metric",
		metrics: []string{"load", "sim_load"}, label: loadLabel, floor: 1,
	}},
	"stack-live": {
		{title: "Attempts at the leaf per user request", x: "p", metrics: []string{"load"}, label: loadLabel, log: true},
	},
	"scale": {{title: "Speed", rows: []string{"clients"}, metrics: []string{"events_per_s"}, label: "events a second, on one core"}},
}

// Charts returns the pictures of an experiment.
func Charts(r Performed) []*report.Chart {
	of, ok := views[r.Name]
	if !ok {
		for _, m := range r.Metrics {
			of = append(of, view{title: m.label(), metrics: []string{m.Name}, label: m.label()})
		}
	}
	var all []*report.Chart
	for i, v := range of {
		if c := v.chart(r); c != nil {
			c.ID = fmt.Sprintf("%s-%d", r.Name, i+1)
			all = append(all, c)
		}
	}
	return all
}

// chart returns nil if no row has any of the figures.
func (v view) chart(r Performed) *report.Chart {
	c := &report.Chart{Title: v.title}
	if v.x == "" {
		c.Rows = []string{}
	}
	var figures, xs []float64
	for _, row := range r.Rows {
		for _, m := range r.Metrics {
			figure, ok := row.Metrics[m.Name]
			if !ok || !slices.Contains(v.metrics, m.Name) {
				continue
			}
			p := report.Point{X: orNever(figure), Published: math.NaN()}
			if published, ok := row.Published[m.Name]; ok {
				p.Published = published
				figures = append(figures, published)
			}
			if strings.HasPrefix(row.Policy, "published:") {
				p.Published, p.Quoted = p.X, true
			}
			figures = append(figures, p.X)
			if c.Dots() {
				p.Y = float64(category(c, v.rowName(r, row)))
			} else {
				p.X, p.Y = numeric(row.Params[v.x]), p.X
				xs = append(xs, p.X)
			}
			addPoint(c, v.seriesName(row, m), p)
		}
	}
	if len(figures) == 0 {
		return nil
	}
	axis := report.NewAxis(v.label, v.format(r), v.log, v.floor, figures)
	if c.Dots() {
		c.X = axis
		c.Nameless = v.seriesKind() == "policy" && slices.Contains(v.rows, "policy")
	} else {
		slices.Sort(xs)
		c.X, c.Y = report.Exactly(v.along(), v.logX, slices.Compact(xs)), axis
	}
	paint(c)
	c.Desc = v.describe(c)
	for i := range c.Series {
		c.Series[i].Name = report.Clipped(c.Series[i].Name)
	}
	for i := range c.Rows {
		c.Rows[i] = report.Clipped(c.Rows[i])
	}
	return c
}

func (v view) along() string {
	switch {
	case v.xLabel != "":
		return v.xLabel
	case v.x == "p":
		return "p, the share of attempts that fail"
	case v.x == "rate":
		return "calls a second"
	}
	return v.x
}

func orNever(v *float64) float64 {
	if v == nil {
		return Never
	}
	return *v
}

func numeric(v any) float64 {
	switch v := v.(type) {
	case int:
		return float64(v)
	case float64:
		return v
	}
	return 0
}

func (v view) seriesKind() string { return cmp.Or(v.series, "policy") }

func (v view) seriesName(row Row, m Metric) string {
	switch kind := v.seriesKind(); {
	case kind == "metric":
		return m.label()
	case kind == "policy", strings.HasPrefix(row.Policy, "user:"):
		return row.Policy
	default:
		return param(row.Params[kind])
	}
}

func (v view) rowName(r Performed, row Row) string {
	of := v.rows
	if of == nil {
		of = r.Params
	}
	var parts []string
	for _, p := range of {
		if p == "policy" {
			parts = append(parts, row.Policy)
		} else {
			parts = append(parts, param(row.Params[p]))
		}
	}
	return strings.Join(parts, ", ")
}

func (v view) format(r Performed) Format {
	for _, m := range r.Metrics {
		if m.Name == v.metrics[0] {
			if v.series == "metric" && strings.HasSuffix(m.Name, "_ms") {
				return bare
			}
			return m.Format
		}
	}
	return bare
}

// category returns the number of a category, a new one if need be.
func category(c *report.Chart, name string) int {
	if i := slices.Index(c.Rows, name); i >= 0 {
		return i
	}
	c.Rows = append(c.Rows, name)
	return len(c.Rows) - 1
}

// addPoint puts a point at the end of a series.
func addPoint(c *report.Chart, name string, p report.Point) {
	for i := range c.Series {
		if c.Series[i].Name == name {
			c.Series[i].Points = append(c.Series[i].Points, p)
			return
		}
	}
	c.Series = append(c.Series, report.Series{Name: name, Points: []report.Point{p}})
}

// describe returns the chart in words, for those who do not see it: what it shows, and our line or
// the extremes of each.
func (v view) describe(c *report.Chart) string {
	var b strings.Builder
	format := c.Y.Format
	if c.Dots() {
		format = c.X.Format
		fmt.Fprintf(&b, "Dots: %s, for %s. ", v.label, strings.Join(c.Rows, "; "))
	} else {
		fmt.Fprintf(&b, "Lines: %s, by %s. ", v.label, c.X.Label)
	}
	for _, one := range c.Series {
		least, most := Never, math.Inf(-1)
		for _, p := range one.Points {
			figure := p.Y
			if c.Dots() {
				figure = p.X
			}
			least, most = min(least, figure), max(most, figure)
		}
		fmt.Fprintf(&b, "%s: %s to %s. ", one.Name, orWord(least, format), orWord(most, format))
	}
	b.WriteString("All figures are in the table.")
	return b.String()
}

func orWord(v float64, format Format) string {
	if math.IsInf(v, 0) {
		return "never"
	}
	return format(v)
}

// Settings returns the params that an experiment's rows have, each with all its values.
func Settings(r Performed) []string {
	values := map[string][]string{}
	for _, row := range r.Rows {
		for name, v := range row.Params {
			if text := param(v); !slices.Contains(values[name], text) {
				values[name] = append(values[name], text)
			}
		}
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all = append(all, name+": "+strings.Join(values[name], ", "))
	}
	return all
}
