package main

import (
	"encoding/json"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/bench/playground"
)

// picture is a chart of one figure by second, for a policy beside another budget. It is drawn for
// the width of a phone and needs nothing else.
type picture struct {
	file, title, desc string
	settings          playground.Settings
	names             map[playground.Side]string
	of                func(fleet.Point) float64
	top               float64
	ticks             []float64
}

// pictures returns the pictures of docs that show figures. The others are drawn by hand.
func pictures() []picture {
	outage, burst := playground.Preset("outage", 1), playground.Preset("cut", 1)
	burst.Clients, burst.Beside = 10, json.RawMessage(`"grpc"`)
	return []picture{
		{
			file: "budget-outage.svg", title: "In an outage: attempts per call, by second",
			desc:     "Before and after the outage each call is sent once. In it, without a budget, three times; with the adaptive budget about once.",
			settings: outage, names: map[playground.Side]string{playground.Own: "adaptive budget", playground.Beside: "no budget"},
			of:  func(p fleet.Point) float64 { return float64(p.Sent) / float64(max(p.Calls, 1)) },
			top: 4, ticks: []float64{0, 1, 2, 3, 4},
		},
		{
			file: "budget-burst.svg", title: "In bursts: calls lost, by second",
			desc:     "All connections are cut every two seconds. gRPC's budget loses 20 to 50 calls each time; the adaptive budget none.",
			settings: burst, names: map[playground.Side]string{playground.Own: "adaptive budget", playground.Beside: "gRPC's budget"},
			of:  func(p fleet.Point) float64 { return float64(p.Bad) },
			top: 60, ticks: []float64{0, 20, 40, 60},
		},
	}
}

// draw writes the pictures to a folder.
func draw(folder string) error {
	for _, p := range pictures() {
		svg, err := p.draw()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, p.file), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// The size of a picture and of its plot.
const (
	wide, high             = 520., 288.
	left, right, up, below = 44., 498., 52., 226.
)

const pictureStyle = `.paper { fill: #fff; } text { fill: #1b1f24; font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
.title { font-weight: 600; font-size: 15px; } .quiet { fill: #545e69; } .end { text-anchor: end; } .middle { text-anchor: middle; }
.grid { stroke: #e3e7eb; } .fault { fill: #fbeceb; } path { fill: none; stroke-width: 2.4; stroke-linejoin: round; }
.own { stroke: #0a5bd0; } .beside { stroke: #b62628; stroke-dasharray: 6 3; }
@media (prefers-color-scheme: dark) { .paper { fill: #12171d; } text { fill: #e2e7ec; } .quiet { fill: #9aa5b1; } .grid { stroke: #2b333c; }
.fault { fill: #331a1b; } .own { stroke: #5eaaff; } .beside { stroke: #ff7b72; } }`

func (p picture) draw() (string, error) {
	seconds := float64(p.settings.Seconds())
	x := func(t float64) float64 { return left + (right-left)*t/seconds }
	y := func(v float64) float64 { return below - (below-up)*min(v, p.top)/p.top }
	var b strings.Builder
	add := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img" aria-labelledby="t d">`, wide, high, wide, high)
	add(`<title id="t">%s</title><desc id="d">%s</desc><style>%s</style>`, html.EscapeString(p.title), html.EscapeString(p.desc), pictureStyle)
	add(`<rect class="paper" width="%.0f" height="%.0f" rx="8"/><text class="title" x="14" y="24">%s</text>`, wide, high, html.EscapeString(p.title))
	from, to := playground.Before.Seconds(), playground.Before.Seconds()+p.settings.Lasts
	add(`<rect class="fault" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, x(from), up, x(to)-x(from), below-up)
	for _, v := range p.ticks {
		add(`<path class="grid" style="stroke-width:1" d="M%.1f %.1fH%.1f"/><text class="quiet end" x="%.1f" y="%.1f">%v</text>`, left, y(v), right, left-8, y(v)+4, v)
	}
	for t := 0.; t <= seconds; t += 10 {
		add(`<text class="quiet middle" x="%.1f" y="%.1f">%v s</text>`, x(t), below+18, t)
	}
	at := left
	for _, side := range []playground.Side{playground.Beside, playground.Own} {
		d := ""
		_, err := playground.Run(p.settings, side, func(second int, point fleet.Point) error {
			if v := float64(second) + .5; v < seconds {
				d += fmt.Sprintf("%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[d == ""], x(v), y(p.of(point)))
			}
			return nil
		})
		if err != nil {
			return "", err
		}
		add(`<path class="%s" d="%s"/>`, side, d)
		add(`<path class="%s" d="M%.1f %.1fh24"/><text x="%.1f" y="%.1f">%s</text>`, side, at, high-14, at+30, high-10, html.EscapeString(p.names[side]))
		at += 160
	}
	add(`<text class="quiet end" x="%.1f" y="%.1f">shaded: the fault</text></svg>`, right, high-10)
	return b.String(), nil
}
