package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fake is results of every experiment without running it: each has all its policies' kinds of figures.
func fake(policies ...string) []Performed {
	var all []Performed
	for _, e := range experiments {
		r := Performed{Experiment: e}
		for i, policy := range policies {
			for j := range 3 {
				row := Row{Policy: policy, Params: map[string]any{}, Metrics: map[string]*float64{}}
				for _, p := range e.Params {
					row.Params[p] = 1 + j
				}
				for _, m := range e.Metrics {
					row.Metrics[m.Name] = Value(1.5 + float64(i+j))
					row.publish(m.Name, 1.5, share(.1))
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

func reportOf(t *testing.T, c *command, results []Performed) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, writeReport(&b, c, results))
	return b.String()
}

// elements are all elements of a document that has to be well-formed XML.
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

func TestTheReportHasEveryExperiment(t *testing.T) {
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
	require.Len(t, has, len(experiments))
	for _, e := range experiments {
		require.GreaterOrEqual(t, has[e.Name]["svg"], 2, "%s: a chart, for a wide screen and for a narrow one", e.Name)
		require.Equal(t, has[e.Name]["svg"], has[e.Name]["desc"], e.Name)
		require.Equal(t, 1, has[e.Name]["table"], e.Name)
		require.Contains(t, html, "go run ./bench -run &#39;^"+e.Name+"$&#39; -seed 7")
	}
}

// Nothing is fetched: no address, no script, nothing from a style sheet.
func TestTheReportNeedsNothingElse(t *testing.T) {
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

func TestWhatAReportRefersToIsThere(t *testing.T) {
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
func TestHostileNamesAreText(t *testing.T) {
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
	require.GreaterOrEqual(t, len(files), len(experiments))
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

func TestSameFiguresSameBytes(t *testing.T) {
	skipUnderRace(t)
	var reports []string
	for range 2 {
		o := Options{Seed: 3, Quick: true, pool: newPool(runtime.GOMAXPROCS(0))}
		reports = append(reports, reportOf(t, &command{seed: 3, quick: true}, perform([]Experiment{busy, spike}, o)))
	}
	require.Equal(t, reports[0], reports[1], "not even the time it took")
	require.Contains(t, reports[0], "go run ./bench -run &#39;^busy$&#39; -seed 3 -quick")
}

func TestAFailedExperimentIsInTheReport(t *testing.T) {
	html := reportOf(t, &command{}, []Performed{{Experiment: busy, Err: errors.New("no <luck>")}})
	require.Contains(t, html, "Failed: no &lt;luck&gt;")
	elements(t, html)
}

func TestWhatIsOffIsInTheReport(t *testing.T) {
	row := Row{Policy: "evenkeel", Params: map[string]any{"p": .1}, Metrics: map[string]*float64{"load": Value(2), "success": Value(1)}}
	row.Bars = map[string]Bar{"load": {AtMost: 1.11}}
	html := reportOf(t, &command{}, []Performed{{Experiment: busy, Rows: []Row{row}}})
	require.Contains(t, html, "evenkeel p=0.1: load is 2, must be at most 1.11")
	require.Contains(t, html, "0 of 1 bars held")
}

func TestTheReportsFlags(t *testing.T) {
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

func TestAxes(t *testing.T) {
	linear := newAxis("", bare, false, 1, []float64{1.2, 4})
	require.Equal(t, 1., linear.lo)
	require.Equal(t, 4., linear.hi)
	require.Equal(t, []string{"1", "1.5", "2", "2.5", "3", "3.5", "4"}, linear.texts())
	require.InDelta(t, 0, linear.part(1), 1e-9)
	require.InDelta(t, 1, linear.part(4), 1e-9)

	log := newAxis("", Times, true, 0, []float64{1, 243, Never, math.NaN()})
	require.Equal(t, []string{"1x", "2x", "5x", "10x", "20x", "50x", "100x", "200x"}, log.texts())
	require.True(t, log.never)
	require.Greater(t, log.part(Never), log.part(log.hi))
	require.Less(t, log.part(Never), 1.)
	require.InDelta(t, log.part(100)-log.part(10), log.part(10)-log.part(1), 1e-9)

	require.True(t, newAxis("", bare, false, 0, []float64{Never}).never)
	same := newAxis("", bare, false, 0, []float64{0, 0})
	require.Greater(t, same.hi, same.lo)
	require.Equal(t, []string{"140", "290"}, exactly("", false, []float64{140, 290}).texts())
}

func TestFiguresBeyondTheAxisStayInThePicture(t *testing.T) {
	for _, log := range []bool{false, true} {
		for _, values := range [][]float64{{1}, {.01, 1}, {3, 7, 1e6}, {1e-9, 2e-9}, {Never, 5}} {
			a := newAxis("", bare, log, 0, values)
			for _, v := range append(values, a.ticks()...) {
				require.GreaterOrEqual(t, a.part(v), -1e-9, "%v of %v", v, values)
				require.LessOrEqual(t, a.part(v), 1+1e-9, "%v of %v", v, values)
			}
			require.LessOrEqual(t, len(a.ticks()), 12)
		}
	}
}

func TestNamesBesideTheLinesDoNotOverlap(t *testing.T) {
	c := chart{id: "c", x: exactly("x", false, []float64{0, 1}), y: newAxis("y", bare, false, 0, []float64{0, 10})}
	for i := range 13 {
		c.series = append(c.series, series{string(rune('a' + i)), "c0", []point{{x: 0, published: math.NaN()}, {x: 1, published: math.NaN()}}})
	}
	require.NotContains(t, c.draw(narrow, false), "NaN")
	var at []string
	for _, m := range regexp.MustCompile(`class="name"[^>]* y="([^"]+)"`).FindAllStringSubmatch(c.draw(wide, false), -1) {
		at = append(at, m[1])
	}
	require.Len(t, at, 13)
	seen := map[string]bool{}
	for _, y := range at {
		require.False(t, seen[y])
		seen[y] = true
	}
}

// Two users' files may have long names that begin alike.
func TestLongNamesLeaveRoomForThePlot(t *testing.T) {
	long := "user:" + strings.Repeat("very-long-", 20)
	for _, r := range fake("none", long+"1", long+"2") {
		for _, c := range charts(r) {
			if views[r.Name] != nil && !c.nameless && views[r.Name][0].series == "" {
				require.Len(t, c.series, 3, r.Name)
			}
			for _, e := range elements(t, c.draw(wide, true)) {
				for _, a := range e.Attr {
					require.False(t, e.Name.Local == "line" && a.Name.Local == "x2" && strings.HasPrefix(a.Value, "-"), r.Name)
				}
			}
		}
	}
}

func TestWhatIsOnlyQuotedHasNoDot(t *testing.T) {
	row := func(policy string) Row {
		return Row{Policy: policy, Metrics: map[string]*float64{"p50_ms": Value(5), "p99_ms": Value(17)}}
	}
	drawn := charts(Performed{Experiment: hedge, Rows: []Row{row("none"), row("published:adaptive-p90")}})[0].draw(wide, false)
	require.Equal(t, 2, strings.Count(drawn, `class="dot" `))
	require.Equal(t, 2, strings.Count(drawn, `class="ring" `))
}
