package experiments

import (
	"strings"

	"github.com/evenkeel-go/evenkeel/bench/report"
)

// look is the style of a series.
type look struct {
	tone   report.Tone
	marker report.Marker
}

// looks are the same for a policy in every chart.
var looks = map[string]look{
	"none": {report.Grey, report.Circle},

	"retries-1":         {report.Red, report.Circle},
	"retries-2":         {report.Red, report.Circle},
	"retries-3":         {report.Red, report.Circle},
	"retries-4":         {report.Red, report.Circle},
	"every-layer":       {report.Red, report.Circle},
	"retries-2-backoff": {report.Red, report.Square},
	"one-layer":         {report.Red, report.Square},

	"brooker":         {report.Ochre, report.Circle},
	"brooker-success": {report.Ochre, report.Square},
	"brooker-tell":    {report.Ochre, report.Triangle},
	"sre":             {report.Ochre, report.Diamond},

	"grpc":      {report.Green, report.Circle},
	"envoy":     {report.Green, report.Square},
	"finagle":   {report.Green, report.Triangle},
	"finagle-0": {report.Green, report.Diamond},

	"aws":         {report.Purple, report.Circle},
	"aws-2026":    {report.Purple, report.Square},
	"static-10ms": {report.Purple, report.Triangle},

	"evenkeel":            {report.Us, report.Circle},
	"evenkeel-strict":     {report.Us, report.Square},
	"evenkeel-fixed":      {report.Us, report.Square},
	"evenkeel-client":     {report.Us, report.Triangle},
	"evenkeel-two-hedges": {report.Us, report.Triangle},
	"evenkeel-bucket":     {report.Us, report.Diamond},

	"exponential":  {report.Red, report.Circle},
	"equal":        {report.Ochre, report.Circle},
	"full":         {report.Green, report.Circle},
	"decorrelated": {report.Purple, report.Circle},
	"smooth":       {report.Us, report.Circle},
	"spread":       {report.Us, report.Square},

	"p50 ms":         {report.Green, report.Circle},
	"p95 ms":         {report.Ochre, report.Circle},
	"p99 ms":         {report.Purple, report.Circle},
	"p99.9 ms":       {report.Red, report.Circle},
	"load":           {report.Us, report.Circle},
	"simulated load": {report.Ochre, report.Square},
}

// others are the tones of those that have no look of their own.
var others = []report.Tone{report.Red, report.Ochre, report.Green, report.Purple}

// paint gives each series its look. Those without one get what is left, in order: no two of a
// chart look the same, unless there are more than the tones and markers can tell apart.
func paint(c *report.Chart) {
	used := map[look]bool{}
	for _, one := range c.Series {
		used[looks[one.Name]] = true
	}
	for i, one := range c.Series {
		l, ok := looks[one.Name]
		switch {
		case strings.HasPrefix(one.Name, "user:"):
			l = free(used, report.You)
		case !ok && strings.HasPrefix(one.Name, "evenkeel"):
			l = free(used, report.Us)
		case !ok:
			l = free(used, others...)
		}
		used[l] = true
		c.Series[i].Tone, c.Series[i].Marker = l.tone, l.marker
	}
}

// free returns the first look of the tones that no series has.
func free(used map[look]bool, tones ...report.Tone) look {
	for _, marker := range []report.Marker{report.Circle, report.Square, report.Triangle, report.Diamond} {
		for _, tone := range tones {
			if l := (look{tone, marker}); !used[l] {
				return l
			}
		}
	}
	return look{tones[0], report.Circle}
}
