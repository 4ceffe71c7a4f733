package experiments

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/bench/report"
)

func TestPaint_SeriesDistinct(t *testing.T) {
	of := func(names ...string) *report.Chart {
		c := new(report.Chart)
		for _, name := range names {
			c.Series = append(c.Series, report.Series{Name: name})
		}
		return c
	}
	all := []string{}
	for _, p := range named {
		all = append(all, p.Name)
	}
	for _, c := range []*report.Chart{
		of(all...),
		of(append(all, "user:one", "user:two", "evenkeel-other", "own")...),
		of("none", "retries-2", "retries-2-backoff", "brooker", "brooker-success", "evenkeel"),
		of("none", "retries-4", "brooker", "evenkeel", "evenkeel-client", "retries-4-drops", "none-drops", "brooker-drops"),
		of("none", "exponential", "equal", "full", "decorrelated", "spread", "smooth", "own"),
		of("p50 ms", "p95 ms", "p99 ms", "p99.9 ms"),
	} {
		paint(c)
		seen := map[look]string{}
		for _, one := range c.Series {
			l := look{one.Tone, one.Marker}
			require.Empty(t, seen[l], "%s and %s", one.Name, seen[l])
			seen[l] = one.Name
			require.NotEmpty(t, one.Tone, one.Name)
		}
	}
}
