package deploy_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
)

type panel struct {
	ID      int
	Title   string
	GridPos struct{ X, Y, W, H int }
	Targets []struct{ RefID, Expr, LegendFormat string }
}

func panelsOf(t *testing.T) []panel {
	data, err := os.ReadFile("dashboard.json")
	require.NoError(t, err)
	var dashboard struct {
		Title, UID string
		Panels     []panel
	}
	require.NoError(t, json.Unmarshal(data, &dashboard))
	require.NotEmpty(t, dashboard.Title)
	require.NotEmpty(t, dashboard.UID)
	require.NotEmpty(t, dashboard.Panels)
	return dashboard.Panels
}

// documented returns the names of the metrics and labels in docs/metrics.md, as Prometheus has
// them.
func documented(t *testing.T) (metrics, labels []string) {
	page, err := os.ReadFile("../docs/metrics.md")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile("\\| `(evenkeel_[a-z_]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		metrics = append(metrics, m[1], m[1]+"_bucket", m[1]+"_count", m[1]+"_sum")
	}
	for _, l := range regexp.MustCompile("(?m)^\\| `(evenkeel[a-z._]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		labels = append(labels, strings.ReplaceAll(l[1], ".", "_"))
	}
	return metrics, append(labels, "job", "le", "__name__")
}

func TestQueries_AreOfMetricsAndLabelsThatExist(t *testing.T) {
	metrics, labels := documented(t)
	require.Greater(t, len(metrics), 20)
	check := func(where, query string) {
		query = strings.NewReplacer("$__rate_interval", "1m", "$job", ".*", "$destination", ".*").Replace(query)
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
		require.NoError(t, err, where)
		parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
			switch n := n.(type) {
			case *parser.VectorSelector:
				require.Contains(t, metrics, n.Name, where)
				for _, m := range n.LabelMatchers {
					require.Contains(t, labels, m.Name, where)
				}
			case *parser.AggregateExpr:
				for _, l := range n.Grouping {
					require.Contains(t, labels, l, where)
				}
			}
			return nil
		})
	}
	for _, p := range panelsOf(t) {
		for _, target := range p.Targets {
			check(p.Title, target.Expr)
		}
	}
	for _, r := range rulesOf(t) {
		check(r.Alert, r.Expr)
	}
	page, err := os.ReadFile("../docs/metrics.md")
	require.NoError(t, err)
	queries := regexp.MustCompile("`((?:sum|rate|avg)[^`]*evenkeel_[^`]*)`").FindAllStringSubmatch(string(page), -1)
	require.NotEmpty(t, queries)
	for _, q := range queries {
		for _, one := range strings.Split(q[1], "`, `") {
			check("docs/metrics.md", one)
		}
	}
}

func TestDashboard_PanelsDoNotOverlap(t *testing.T) {
	panels := panelsOf(t)
	var ids []int
	for i, p := range panels {
		require.NotContains(t, ids, p.ID)
		ids = append(ids, p.ID)
		require.NotEmpty(t, p.Targets, p.Title)
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		for _, q := range panels[:i] {
			apart := p.GridPos.X >= q.GridPos.X+q.GridPos.W || q.GridPos.X >= p.GridPos.X+p.GridPos.W ||
				p.GridPos.Y >= q.GridPos.Y+q.GridPos.H || q.GridPos.Y >= p.GridPos.Y+p.GridPos.H
			require.True(t, apart, "%s and %s", p.Title, q.Title)
		}
	}
	require.True(t, slices.IsSorted(ids))
}
