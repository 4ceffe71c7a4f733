package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/bench/experiments"
	"github.com/evenkeel-go/evenkeel/bench/report"
)

// fake returns results of every experiment without running it: each has all its policies' kinds of
// figures.
func fake(policies ...string) []experiments.Performed {
	var all []experiments.Performed
	for _, e := range experiments.All {
		r := experiments.Performed{Experiment: e}
		for i, policy := range policies {
			for j := range 3 {
				row := experiments.Row{
					Policy: policy, Params: map[string]any{}, Metrics: map[string]*float64{},
					Published: map[string]float64{}, Within: map[string]experiments.Within{},
				}
				for _, p := range e.Params {
					row.Params[p] = 1 + j
				}
				for _, m := range e.Metrics {
					row.Metrics[m.Name] = experiments.Value(1.5 + float64(i+j))
					row.Published[m.Name], row.Within[m.Name] = 1.5, experiments.Within{Rel: .1}
				}
				if j == 2 {
					row.Metrics[e.Metrics[0].Name] = nil
				}
				r.Rows = append(r.Rows, row)
			}
		}
		all = append(all, r)
	}
	return all
}

// named returns one of the experiments.
func named(t *testing.T, name string) experiments.Experiment {
	t.Helper()
	for _, e := range experiments.All {
		if e.Name == name {
			return e
		}
	}
	t.Fatalf("no experiment is named %q", name)
	return experiments.Experiment{}
}

func reportOf(t *testing.T, c *command, results []experiments.Performed) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.Write(&b, c.page(results)))
	return b.String()
}

// elements returns all elements of a document that has to be well-formed XML.
func elements(t *testing.T, document string) []xml.StartElement {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(document))
	d.Entity = xml.HTMLEntity
	var all []xml.StartElement
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		if e, ok := token.(xml.StartElement); ok {
			all = append(all, e.Copy())
		}
	}
}

func TestReport_HasEveryExperiment(t *testing.T) {
	html := reportOf(t, &command{seed: 7}, fake("none", "evenkeel", "user:mine"))
	ids, charts, tables := map[string]bool{}, 0, 0
	var within string
	has := map[string]map[string]int{}
	for _, e := range elements(t, html) {
		for _, a := range e.Attr {
			if a.Name.Local == "id" {
				require.False(t, ids[a.Value], "%s is there twice", a.Value)
				ids[a.Value] = true
				if e.Name.Local == "section" {
					within = a.Value
					has[within] = map[string]int{}
				}
			}
		}
		if within != "" {
			has[within][e.Name.Local]++
		}
		switch e.Name.Local {
		case "svg":
			charts++
		case "table":
			tables++
		}
	}
	require.Len(t, has, len(experiments.All)+1, "and the words")
	for _, e := range experiments.All {
		require.GreaterOrEqual(t, has[e.Name]["svg"], 2, "%s: a chart, for a wide screen and for a narrow one", e.Name)
		require.Equal(t, has[e.Name]["svg"], has[e.Name]["desc"], e.Name)
		require.Equal(t, 1, has[e.Name]["table"], e.Name)
		require.Contains(t, html, "go run ./bench -run &#39;^"+e.Name+"$&#39; -seed 7")
	}
}

// Nothing is fetched: no address, no script, nothing from a style sheet.
func TestReport_SelfContained(t *testing.T) {
	html := reportOf(t, &command{seed: 1}, fake("none", "evenkeel"))
	for _, e := range elements(t, html) {
		require.NotContains(t, []string{"script", "link", "img", "iframe", "object", "embed", "base", "image", "use"}, e.Name.Local)
		for _, a := range e.Attr {
			require.NotEqual(t, "src", a.Name.Local)
			require.False(t, strings.HasPrefix(a.Name.Local, "on"), a.Name.Local)
			if a.Name.Local == "href" {
				require.True(t, strings.HasPrefix(a.Value, "#"), a.Value)
			}
		}
	}
	require.NotRegexp(t, regexp.MustCompile(`https?:|//[a-z]|@import|url\(`), html)
}

func TestReport_ReferencesResolve(t *testing.T) {
	html := reportOf(t, &command{seed: 1}, fake("none", "evenkeel"))
	ids := map[string]bool{}
	all := elements(t, html)
	for _, e := range all {
		for _, a := range e.Attr {
			if a.Name.Local == "id" {
				ids[a.Value] = true
			}
		}
	}
	for _, e := range all {
		for _, a := range e.Attr {
			switch a.Name.Local {
			case "href":
				require.True(t, ids[strings.TrimPrefix(a.Value, "#")], a.Value)
			case "aria-labelledby":
				for _, id := range strings.Fields(a.Value) {
					require.True(t, ids[id], id)
				}
			}
		}
	}
}

// The name of a policy is the name of a user's file.
func TestReport_HostileNamesAreText(t *testing.T) {
	name := `user:</style><script>alert(1)</script>"'&<svg onload=alert(1)>`
	results := fake("none", name)
	results[0].Rows[0].Params["p"] = `<b>bold</b>`
	c := &command{seed: 1, pattern: `a|'$(rm)`, policies: []string{`</code><script>.json`, "it's.json"}}
	html := reportOf(t, c, results)
	for _, e := range elements(t, html) {
		require.NotContains(t, []string{"script", "b"}, e.Name.Local)
		for _, a := range e.Attr {
			require.NotEqual(t, "onload", a.Name.Local)
		}
	}
	require.Contains(t, html, "&lt;script&gt;alert(1)", "the table shows it as it is")
	require.Equal(t, `go run ./bench -run 'a|'\''$(rm)' -seed 1 -policy '</code><script>.json' -policy 'it'\''s.json'`, c.again(""))

	folder := t.TempDir()
	require.NoError(t, writePictures(folder, results))
	files, err := filepath.Glob(filepath.Join(folder, "*.svg"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), len(experiments.All))
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, e := range elements(t, string(data)) {
			require.NotEqual(t, "script", e.Name.Local)
			require.Equal(t, "http://www.w3.org/2000/svg", e.Name.Space)
		}
		require.NotContains(t, string(data), "NaN")
		require.NotContains(t, string(data), "Inf")
	}
}

func TestReport_Deterministic(t *testing.T) {
	var reports []string
	for _, workers := range []string{"1", "2"} {
		file := filepath.Join(t.TempDir(), "report.html")
		_, _, status := bench(t, "-quick", "-seed", "3", "-run", "busy|spike", "-html", file, "-workers", workers)
		require.Zero(t, status)
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		reports = append(reports, string(data))
	}
	require.Equal(t, reports[0], reports[1], "not even the time it took")
	require.Contains(t, reports[0], "go run ./bench -run &#39;^busy$&#39; -seed 3 -quick")
}

func TestReport_HasFailedExperiment(t *testing.T) {
	html := reportOf(t, &command{}, []experiments.Performed{{Experiment: named(t, "busy"), Err: errors.New("no <luck>")}})
	require.Contains(t, html, "Failed: no &lt;luck&gt;")
	elements(t, html)
}

func TestReport_HasDeviations(t *testing.T) {
	row := experiments.Row{Policy: "evenkeel", Params: map[string]any{"p": .1}, Metrics: map[string]*float64{"load": experiments.Value(2), "success": experiments.Value(1)}}
	row.Bars = map[string]experiments.Bar{"load": {AtMost: 1.11}}
	html := reportOf(t, &command{}, []experiments.Performed{{Experiment: named(t, "busy"), Rows: []experiments.Row{row}}})
	require.Contains(t, html, "evenkeel p=0.1: load is 2.00x, must be at most 1.11x")
	require.Contains(t, html, "0 of 1 bars held")
}

func TestReport_Flags(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "report.html")
	_, _, status := bench(t, "-quick", "-run", "^busy$", "-html", file, "-svg", folder)
	require.Zero(t, status)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotEmpty(t, elements(t, string(data)))
	data, err = os.ReadFile(filepath.Join(folder, "busy.svg"))
	require.NoError(t, err)
	require.NotEmpty(t, elements(t, string(data)))

	_, stderr, status := bench(t, "-quick", "-run", "^busy$", "-html", filepath.Join(folder, "no", "such.html"))
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "such.html")
	out, stderr, status := bench(t, "-quick", "-run", "^busy$", "-svg", filepath.Join(file, "no"))
	require.Equal(t, 1, status)
	require.Empty(t, out, "it is found out before anything runs")
	require.Contains(t, stderr, "report.html")
	_, stderr, _ = bench(t, "-h")
	require.Contains(t, stderr, "-html FILE")
	require.Contains(t, stderr, "-svg FOLDER")
}

// Two users' files may have long names that begin alike.
func TestReport_LongNamesLeaveRoomForPlot(t *testing.T) {
	long := "user:" + strings.Repeat("very-long-", 20)
	for _, r := range fake("none", long+"1", long+"2") {
		for _, c := range experiments.Charts(r) {
			if !c.Nameless && c.Series[0].Name == "none" {
				require.Len(t, c.Series, 3, r.Name)
			}
			for _, e := range elements(t, c.SVG()) {
				for _, a := range e.Attr {
					require.False(t, e.Name.Local == "line" && a.Name.Local == "x2" && strings.HasPrefix(a.Value, "-"), r.Name)
				}
			}
		}
	}
}

func TestReport_QuotedFiguresHaveNoDot(t *testing.T) {
	row := func(policy string) experiments.Row {
		return experiments.Row{Policy: policy, Metrics: map[string]*float64{"p50_ms": experiments.Value(5), "p99_ms": experiments.Value(17)}}
	}
	drawn := experiments.Charts(experiments.Performed{Experiment: named(t, "hedge"), Rows: []experiments.Row{row("none"), row("published:adaptive-p90")}})[0].SVG()
	require.Equal(t, 2+2, strings.Count(drawn, `class="dot" `), "and two in the legend")
	require.Equal(t, 2, strings.Count(drawn, `class="ring" `))
}
