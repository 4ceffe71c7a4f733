package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
)

// keptRuns is how many runs results keep, the latest ones.
const keptRuns = 3

// results holds some runs, and the cases: docs/benchmarks.md is made of it.
type results struct {
	Versions []version      `json:"versions"`
	Runs     []recordedRun  `json:"runs"`
	Rows     []recordedRow  `json:"rows"`
	Bars     []recordedBar  `json:"bars"`
	Cases    []recordedCase `json:"cases"`
}

// version is a library and its version.
type version struct {
	Library string `json:"library"`
	Version string `json:"version"`
}

// recordedRun holds how a run was made.
type recordedRun struct {
	Machine machine `json:"machine"`
	Command string  `json:"command"`
}

// recordedRow is one library at one work: a figure a run, and 0 for a run that does not have it.
type recordedRow struct {
	Work     string    `json:"work"`
	Library  string    `json:"library"`
	Kind     string    `json:"kind,omitempty"` // bare, inside or budget
	NS       []float64 `json:"ns"`
	CPU      []float64 `json:"cpu,omitempty"`
	Ratio    []float64 `json:"ratio,omitempty"` // to the best peer
	Bytes    float64   `json:"b"`
	Allocs   float64   `json:"allocs"`
	Held     float64   `json:"held,omitempty"`
	Sent     float64   `json:"sent,omitempty"`
	Answered float64   `json:"answered"`
	Fault    string    `json:"fault,omitempty"`
}

// recordedBar is a bar and what each run has reached.
type recordedBar struct {
	Work   string    `json:"work"`
	Kind   kind      `json:"kind"`
	Figure float64   `json:"figure"`
	Than   []string  `json:"than"`
	Got    []float64 `json:"got"`
	CPU    []float64 `json:"cpu"` // the same of processor times
	Met    []bool    `json:"met"`
	Faults []string  `json:"faults,omitempty"`
}

// recordedCase is a case and what each library did with it, in the order of Versions.
type recordedCase struct {
	Name    string   `json:"name"`
	Results []string `json:"results"`
}

// load reads results from a file; none if there is no such file.
func load(file string) (*results, error) {
	r := new(results)
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	return r, json.Unmarshal(text, r)
}

// store writes results to a file, a line each.
func (r *results) store(file string) error {
	var b bytes.Buffer
	fmt.Fprint(&b, "{\n")
	errs := []error{
		lines(&b, "versions", r.Versions, ","), lines(&b, "runs", r.Runs, ","), lines(&b, "rows", r.Rows, ","),
		lines(&b, "bars", r.Bars, ","), lines(&b, "cases", r.Cases, ""),
	}
	fmt.Fprint(&b, "}\n")
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

// lines writes a list as JSON, an element a line.
func lines[T any](b *bytes.Buffer, name string, list []T, end string) error {
	fmt.Fprintf(b, " %q: [\n", name)
	for i, one := range list {
		text, err := json.Marshal(one)
		if err != nil {
			return err
		}
		comma := ","
		if i == len(list)-1 {
			comma = ""
		}
		fmt.Fprintf(b, "  %s%s\n", text, comma)
	}
	fmt.Fprintf(b, " ]%s\n", end)
	return nil
}

// addRun adds a run to the results. Rows and bars of a work that the run does not have stay.
func (r *results) addRun(t *table, how recordedRun) {
	r.Versions = libraryVersions()
	r.Runs = append(r.Runs, how)
	for _, row := range t.rows {
		r.row(row).add(row, len(r.Runs))
	}
	for _, b := range bars {
		if t.row(b.work, evenkeel) != nil {
			r.bar(b).add(b.judge(t), len(r.Runs))
		}
	}
	r.cut(len(r.Runs) - keptRuns)
}

// cut forgets the first n runs.
func (r *results) cut(n int) {
	if n <= 0 {
		return
	}
	r.Runs = r.Runs[n:]
	for i := range r.Rows {
		row := &r.Rows[i]
		row.NS, row.CPU, row.Ratio = tail(row.NS, n), tail(row.CPU, n), tail(row.Ratio, n)
	}
	for i := range r.Bars {
		b := &r.Bars[i]
		b.Than, b.Got, b.CPU, b.Met = tail(b.Than, n), tail(b.Got, n), tail(b.CPU, n), tail(b.Met, n)
	}
}

// tail returns a list without its first n elements.
func tail[T any](s []T, n int) []T { return s[min(n, len(s)):] }

func (r *results) row(of *row) *recordedRow {
	for i := range r.Rows {
		if r.Rows[i].Work == of.Work && r.Rows[i].Library == of.Library {
			return &r.Rows[i]
		}
	}
	r.Rows = append(r.Rows, recordedRow{Work: of.Work, Library: of.Library, Kind: of.kind()})
	return &r.Rows[len(r.Rows)-1]
}

// kind returns what a row is beside a peer.
func (r *row) kind() string {
	switch {
	case r.bare:
		return "bare"
	case r.inside:
		return "inside"
	case r.budget:
		return "budget"
	}
	return ""
}

// add adds the figures of the nth run. What does not depend on the machine's load is the latest.
func (r *recordedRow) add(of *row, n int) {
	r.NS = placed(r.NS, n, rounded(of.NsOp))
	r.CPU = placed(r.CPU, n, rounded(of.CPUOp))
	r.Ratio = placed(r.Ratio, n, rounded(of.RatioToBestPeer))
	r.Bytes, r.Allocs, r.Held = math.Round(of.BOp), math.Round(of.AllocsOp), math.Round(of.HeldOp)
	r.Sent, r.Answered, r.Fault = rounded(of.SentOp), rounded(of.Answered), of.fault
}

func (r *results) bar(of bar) *recordedBar {
	for i := range r.Bars {
		if b := &r.Bars[i]; b.Work == of.work && b.Kind == of.kind {
			b.Figure = of.figure
			return b
		}
	}
	r.Bars = append(r.Bars, recordedBar{Work: of.work, Kind: of.kind, Figure: of.figure})
	return &r.Bars[len(r.Bars)-1]
}

func (b *recordedBar) add(v verdict, n int) {
	b.Than = placed(b.Than, n, v.than)
	b.Got = placed(b.Got, n, rounded(v.got))
	b.CPU = placed(b.CPU, n, rounded(v.cpu))
	b.Met = placed(b.Met, n, v.met && len(v.faults) == 0)
	b.Faults = v.faults
}

// placed puts a value at the place of the nth run.
func placed[T any](s []T, n int, v T) []T {
	for len(s) < n {
		var none T
		s = append(s, none)
	}
	s[n-1] = v
	return s
}

// rounded returns a figure with four digits.
func rounded(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	f, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 4, 64), 64)
	if err != nil {
		return 0
	}
	return f
}

// addCases replaces the cases.
func (r *results) addCases(found []finding) {
	r.Versions, r.Cases = libraryVersions(), nil
	for _, f := range found {
		if n := len(r.Cases); n == 0 || r.Cases[n-1].Name != f.Case {
			r.Cases = append(r.Cases, recordedCase{Name: f.Case})
		}
		last := &r.Cases[len(r.Cases)-1]
		last.Results = append(last.Results, f.Result)
	}
}

func libraryVersions() (all []version) {
	found := versions()
	for _, l := range libraries() {
		all = append(all, version{l.name, found[l.module]})
	}
	return all
}
