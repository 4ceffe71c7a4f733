package main

import (
	"fmt"
	"math"

	"github.com/evenkeel-go/evenkeel/bench/report"
)

// drawn are the works of real use that the picture shows.
var drawn = []string{
	"do/ok", "do/deadline", "do/one-fail", "http/ok-get", "http/client-get", "http/client-put", "http/one-fail-get", "http/one-fail-post",
	"http/hedge", "http/hedge-wins", "grpc/stub", "grpc/stub-deadline", "grpc/stub-fail", "grpc/hedge", "http/e2e", "http/e2e-tls",
	"http/e2e-h2", "http/e2e-503", "grpc/e2e", "e2e/outage-503", "e2e/outage-grpc", "e2e/burst-h2", "e2e/burst-grpc", "parallel/do-all",
	"parallel/http-all", "destinations",
}

// timesChart draws the time of a call over that of the best peer.
func (r *results) timesChart() string {
	ours := report.Series{Name: "evenkeel", Tone: report.Us}
	peers := report.Series{Name: "other libraries", Tone: report.Grey}
	floor := report.Series{Name: "no library, or by hand", Tone: report.Green, Marker: report.Diamond}
	c := report.Chart{ID: "benchmarks", Title: "Time of a call over the best peer's; left is quicker"}
	var all []float64
	for _, work := range drawn {
		rows := r.of(work)
		if len(rows) == 0 {
			continue
		}
		for _, row := range rows {
			if len(present(row.Ratio)) == 0 || row.Kind == "inside" || row.Answered < leastAnswered {
				continue
			}
			p := report.Point{X: clamped(median(present(row.Ratio))), Y: float64(len(c.Rows)), Published: math.NaN()}
			all = append(all, p.X)
			switch {
			case row.Library == evenkeel:
				ours.Points = append(ours.Points, p)
			case row.Kind == "bare":
				floor.Points = append(floor.Points, p)
			default:
				peers.Points = append(peers.Points, p)
			}
		}
		c.Rows = append(c.Rows, work)
	}
	c.Desc = fmt.Sprintf("Dots: a row each of %d works, its libraries' times over that of the best peer. All figures are in the tables.", len(c.Rows))
	c.X = report.NewAxis("times the best peer", times, true, 0, all)
	c.Series = []report.Series{peers, floor, ours}
	return c.SVG() + "\n"
}

// clamped keeps a few very slow or quick rows from pressing the others together.
func clamped(ratio float64) float64 { return min(max(ratio, 0.1), 20) }

func times(v float64) string { return fmt.Sprintf("%.3g×", v) }

// outageChart draws what a call costs while every attempt fails.
func (r *results) outageChart() string {
	c := report.Chart{ID: "benchmarks-outage", Title: "Processor time of a call in an outage"}
	kinds := []struct {
		work string
		one  report.Series
	}{
		{"e2e/outage-503", report.Series{Name: "a server that answers 503", Tone: report.Us}},
		{"e2e/outage-refused", report.Series{Name: "nobody listens", Tone: report.Red, Marker: report.Square}},
		{"e2e/outage-grpc", report.Series{Name: "gRPC, UNAVAILABLE", Tone: report.Green, Marker: report.Diamond}},
	}
	all := []float64{0}
	at := map[string]int{}
	for i := range kinds {
		for _, row := range r.of(kinds[i].work) {
			if len(present(row.CPU)) == 0 {
				continue
			}
			y, ok := at[row.Library]
			if !ok {
				y = len(c.Rows)
				at[row.Library] = y
				c.Rows = append(c.Rows, row.Library)
			}
			p := report.Point{X: median(present(row.CPU)) / 1e3, Y: float64(y), Published: math.NaN()}
			all = append(all, p.X)
			kinds[i].one.Points = append(kinds[i].one.Points, p)
		}
		c.Series = append(c.Series, kinds[i].one)
	}
	c.Desc = "Dots: a row a library, the microseconds of processor time of a call of which all attempts fail. All figures are in the tables."
	c.X = report.NewAxis("µs of processor time", func(v float64) string { return fmt.Sprintf("%.0f", v) }, false, 0, all)
	return c.SVG() + "\n"
}
