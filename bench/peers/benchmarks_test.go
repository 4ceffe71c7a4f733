package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The page and its pictures are those that the recorded results make.
func TestPage_MatchesResults(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, command([]string{"-page", filepath.Join(dir, "benchmarks.md")}, io.Discard, io.Discard))
	for _, name := range []string{"benchmarks.md", "benchmarks.svg", "benchmarks-outage.svg"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "%s: go -C bench/peers run . -page ../../docs/benchmarks.md", name)
	}
}

// The results are of the libraries, works and cases that there are.
func TestResults_MatchCode(t *testing.T) {
	r, err := load("results.json")
	require.NoError(t, err)
	require.NotEmpty(t, r.Runs)
	var names []string
	for _, c := range r.Cases {
		names = append(names, c.Name)
		require.Len(t, c.Results, len(libraries()), c.Name)
	}
	var want []string
	for _, c := range cases() {
		want = append(want, c.name)
	}
	require.Equal(t, want, names)
	for i, l := range libraries() {
		require.Equal(t, l.name, r.Versions[i].Library)
	}
	for _, w := range works() {
		for _, c := range w.cells {
			rows := r.of(w.name)
			found := false
			for _, row := range rows {
				found = found || row.Library == c.library && len(row.NS) == len(r.Runs)
			}
			require.True(t, found, "%s, %s", w.name, c.library)
		}
	}
	require.Len(t, r.Bars, len(bars))
}

// What the README says of peers and cases is so.
func TestReadme_CountsPeersAndCases(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	readme := strings.Join(strings.Fields(string(text)), " ")
	require.Contains(t, readme, fmt.Sprintf("%d other libraries", len(libraries())-1))
	require.Contains(t, readme, fmt.Sprintf("%d cases", len(cases())))
}

// recordedOf returns a table with one work, in which evenkeel takes ns.
func recordedOf(ns float64) *table {
	t := &table{rows: []*row{
		{Work: "do/ok", Library: evenkeel, budget: true, samples: []float64{ns}, cpus: []float64{ns}},
		{Work: "do/ok", Library: "backoff/v4", samples: []float64{10}},
		{Work: "do/ok", Library: byHandName, bare: true, samples: []float64{5}},
	}}
	t.finish()
	return t
}

func ownRow(t *testing.T, r *results) recordedRow {
	t.Helper()
	for _, row := range r.of("do/ok") {
		if row.Library == evenkeel {
			return row
		}
	}
	t.Fatal("no row of evenkeel")
	return recordedRow{}
}

func TestResults_HoldInTwoOfThreeRuns(t *testing.T) {
	r := new(results)
	for _, ns := range []float64{99, 9, 8, 30.12345} {
		r.addRun(recordedOf(ns), recordedRun{Command: fmt.Sprint(ns)})
	}
	require.Len(t, r.Runs, 3)
	require.Equal(t, "9", r.Runs[0].Command)
	own := ownRow(t, r)
	require.Equal(t, []float64{9, 8, 30.12}, own.NS)
	require.Equal(t, []float64{0.9, 0.8, 3.012}, own.Ratio)

	b := r.Bars[0]
	require.Equal(t, []bool{true, true, false}, b.Met)
	require.True(t, b.holds())
	require.Equal(t, "2 of 3", b.heldIn())
	require.Equal(t, []float64{0, 0, 0}, b.CPU, "the peer's was not measured")
	require.Equal(t, "0.90 × backoff/v4", b.got())

	file := filepath.Join(t.TempDir(), "results.json")
	require.NoError(t, r.store(file))
	again, err := load(file)
	require.NoError(t, err)
	require.Equal(t, r.Rows, again.Rows)
	require.Equal(t, r.Bars, again.Bars)
	require.Equal(t, r.page(), again.page())
}

// A run of some works leaves the figures of the others, and is no run of theirs.
func TestResults_PartialRunKeepsOthers(t *testing.T) {
	r := new(results)
	r.addRun(recordedOf(9), recordedRun{})
	r.addRun(&table{}, recordedRun{})
	met, of := r.Bars[0].runs()
	require.Equal(t, []int{1, 1}, []int{met, of})
	r.addRun(recordedOf(99), recordedRun{})
	require.Equal(t, []float64{9, 0, 99}, ownRow(t, r).NS)
	met, of = r.Bars[0].runs()
	require.Equal(t, []int{1, 2}, []int{met, of})
	require.False(t, r.Bars[0].holds())
}

func TestResults_SkipLawsOfFailedCases(t *testing.T) {
	r := &results{Versions: []version{{"retry-go", ""}, {"aws/retry", ""}}, Cases: []recordedCase{
		{Name: lawCases[4][0], Results: []string{"fail", "pass"}},
		{Name: lawCases[3][0], Results: []string{"n.a.", "fail"}},
	}}
	require.Equal(t, []int{2, 4}, r.skips("retry-go"), "it has no budget")
	require.Equal(t, []int{4}, r.skips("retry-go, throttle"))
	require.Equal(t, []int{3}, r.skips("aws/retry"))
	require.Empty(t, r.skips("nobody"))
}

// Each case that shows a law is a case.
func TestLaws_NameExistingCases(t *testing.T) {
	names := map[string]bool{}
	for _, c := range cases() {
		names[c.name] = true
	}
	for law, list := range lawCases {
		for _, name := range list {
			require.True(t, names[name], "law %d: %s", law, name)
		}
	}
}

func TestCharts_AreWellFormed(t *testing.T) {
	r, err := load("results.json")
	require.NoError(t, err)
	for name, text := range r.files() {
		require.NotContains(t, text, "NaN", name)
		require.NotContains(t, text, "Inf", name)
		d := xml.NewDecoder(strings.NewReader(text))
		for {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, name)
		}
	}
}

func TestMachine_HasNoHostName(t *testing.T) {
	require.Equal(t, "6.18.44", kernelVersion("6.18.44-vendor-host12\n"))
	require.Equal(t, "AMD EPYC", afterColon("flags\t: fpu\nmodel name\t: AMD EPYC\nmodel name\t: other\n", "model name"))
	require.Equal(t, "unknown", afterColon("", "model name"))
	require.Equal(t, "1.25", firstWord("1.25 2.00 3.00 1/9 77\n"))

	m := thisMachine()
	host, err := os.Hostname()
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprintf("%+v", m), host)
	require.NotZero(t, m.Processors)
}

func TestPage_NeedsARun(t *testing.T) {
	err := command([]string{"-results", filepath.Join(t.TempDir(), "none.json"), "-page", "x.md"}, io.Discard, io.Discard)
	require.ErrorContains(t, err, "has no run")
}
