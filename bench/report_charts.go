package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// view is how some figures of an experiment become a chart.
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

// views are the charts of each experiment. One that is not here has a row of dots for each of its metrics.
var views = map[string][]view{
	"retry-budget": {
		{title: "Calls that succeed", x: "p", logX: true, metrics: []string{"success"}, label: "success, %"},
		{title: "What that costs", x: "p", logX: true, metrics: []string{"load"}, label: "attempts per call, %", floor: 1},
	},
	"outage": {{
		title: "The first ten seconds of a total outage", x: "clients", xLabel: "processes that make 1,000 calls/s in all",
		logX: true, metrics: []string{"load"}, label: "attempts per call, %", floor: 1,
	}},
	"stack": {
		{title: "Attempts at the leaf per user request", x: "p", metrics: []string{"load"}, label: "attempts", log: true},
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
			label: "peak", floor: 1,
		},
	},
	"spike": {
		{title: "Calls that succeed", rows: []string{"shape"}, metrics: []string{"success"}, label: "success, %"},
		{title: "What that costs", rows: []string{"shape"}, metrics: []string{"load"}, label: "attempts per call", floor: 1},
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
	"busy": {{title: "Calls that succeed", rows: []string{"policy"}, metrics: []string{"success"}, label: "success, %", floor: .9}},
	"limits": {{
		title: "The first ten seconds of a total outage, made harder", rows: []string{"case", "clients"}, metrics: []string{"load"},
		label: "attempts per call, %", floor: 1,
	}},
	"live": {{
		title: "Attempts per call", rows: []string{"policy", "transport", "scenario"}, series: "metric",
		metrics: []string{"load", "sim_load"}, label: "attempts per call, %", floor: 1,
	}},
	"stack-live": {
		{title: "Attempts at the leaf per user request", x: "p", metrics: []string{"load"}, label: "attempts", log: true},
	},
	"scale": {{title: "Speed", rows: []string{"clients"}, metrics: []string{"events_per_s"}, label: "events a second, on one core"}},
}

// charts are the pictures of an experiment.
func charts(r Performed) []*chart {
	of, ok := views[r.Name]
	if !ok {
		for _, m := range r.Metrics {
			of = append(of, view{title: m.label(), metrics: []string{m.Name}, label: m.label()})
		}
	}
	var all []*chart
	for i, v := range of {
		if c := v.chart(r); c != nil {
			c.id = fmt.Sprintf("%s-%d", r.Name, i+1)
			all = append(all, c)
		}
	}
	return all
}

// chart is nil if no row has any of the figures.
func (v view) chart(r Performed) *chart {
	c := &chart{title: v.title}
	if v.x == "" {
		c.rows = []string{}
	}
	var figures, xs []float64
	for _, row := range r.Rows {
		for _, m := range r.Metrics {
			figure, ok := row.Metrics[m.Name]
			if !ok || !slices.Contains(v.metrics, m.Name) {
				continue
			}
			p := point{x: orNever(figure), published: math.NaN()}
			if published, ok := row.Published[m.Name]; ok {
				p.published = published
				figures = append(figures, published)
			}
			if strings.HasPrefix(row.Policy, "published:") {
				p.published, p.quoted = p.x, true
			}
			figures = append(figures, p.x)
			if c.dots() {
				p.y = float64(c.row(v.rowName(r, row)))
			} else {
				p.x, p.y = numeric(row.Params[v.x]), p.x
				xs = append(xs, p.x)
			}
			c.add(v.seriesName(row, m), p)
		}
	}
	if len(figures) == 0 {
		return nil
	}
	axis := newAxis(v.label, v.format(r), v.log, v.floor, figures)
	if c.dots() {
		c.x = axis
		c.nameless = v.seriesKind() == "policy" && slices.Contains(v.rows, "policy")
	} else {
		slices.Sort(xs)
		c.x, c.y = exactly(v.along(), v.logX, slices.Compact(xs)), axis
	}
	c.paint()
	c.desc = v.describe(c)
	for i := range c.series {
		c.series[i].name = clipped(c.series[i].name)
	}
	for i := range c.rows {
		c.rows[i] = clipped(c.rows[i])
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
		return "load, calls a second"
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

func (v view) seriesKind() string {
	if v.series == "" {
		return "policy"
	}
	return v.series
}

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

// row is the number of a category, a new one if need be.
func (c *chart) row(name string) int {
	if i := slices.Index(c.rows, name); i >= 0 {
		return i
	}
	c.rows = append(c.rows, name)
	return len(c.rows) - 1
}

// add puts a point at the end of a series.
func (c *chart) add(name string, p point) {
	for i := range c.series {
		if c.series[i].name == name {
			c.series[i].points = append(c.series[i].points, p)
			return
		}
	}
	c.series = append(c.series, series{name: name, points: []point{p}})
}

// tones are the same for a policy in every chart.
var tones = map[string]string{
	"none": "c0", "retries-1": "c1", "retries-2": "c1", "retries-3": "c1", "retries-4": "c1", "every-layer": "c1",
	"retries-2-backoff": "c11", "one-layer": "c11", "brooker": "c2", "brooker-success": "c3", "brooker-tell": "c3", "grpc": "c4",
	"aws": "c5", "aws-2026": "c6", "finagle": "c7", "finagle-0": "c8", "envoy": "c9", "sre": "c10",
	"evenkeel": "us", "evenkeel-strict": "us2",
	"exponential": "c1", "equal": "c2", "full": "c4", "decorrelated": "c5", "spread": "us2", "smooth": "us",
	"p50 ms": "c4", "p95 ms": "c9", "p99 ms": "c5", "p99.9 ms": "c1", "load": "us", "simulated load": "c2",
}

// paint gives each series its tone; those without one get what is left, in order.
func (c *chart) paint() {
	used := map[string]bool{}
	for _, one := range c.series {
		used[tones[one.name]] = true
	}
	next := 0
	for i, one := range c.series {
		tone := tones[one.name]
		switch {
		case strings.HasPrefix(one.name, "user:"):
			tone = "you"
		case tone == "" && strings.HasPrefix(one.name, "evenkeel"):
			tone = "us2"
		case tone == "":
			for used[fmt.Sprint("c", next%12)] && next < 12 {
				next++
			}
			tone = fmt.Sprint("c", next%12)
			next++
		}
		c.series[i].class = tone
	}
}

// describe is the chart in words, for those who do not see it: what it shows, and our line or the extremes of each.
func (v view) describe(c *chart) string {
	var b strings.Builder
	format := c.y.format
	if c.dots() {
		format = c.x.format
		fmt.Fprintf(&b, "Dots: %s, for %s. ", v.label, strings.Join(c.rows, "; "))
	} else {
		fmt.Fprintf(&b, "Lines: %s, by %s. ", v.label, c.x.label)
	}
	for _, one := range c.series {
		least, most := Never, math.Inf(-1)
		for _, p := range one.points {
			figure := p.y
			if c.dots() {
				figure = p.x
			}
			least, most = min(least, figure), max(most, figure)
		}
		fmt.Fprintf(&b, "%s: %s to %s. ", one.name, orWord(least, format), orWord(most, format))
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

// settings are the params that an experiment's rows have, each with all its values.
func settings(r Performed) []string {
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
