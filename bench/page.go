package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/evenkeel-go/evenkeel/bench/experiments"
	"github.com/evenkeel-go/evenkeel/bench/report"
)

// words are those that the whole report uses.
var words = []report.Word{
	{Term: "load", Meaning: "attempts sent per call: 1.00x sends each call once, 4.00x four times"},
	{Term: "success", Meaning: "the share of calls that were answered well in the end"},
	{Term: "published", Meaning: "what the source of an experiment has; in charts a ring around the dot that was measured"},
	{Term: "✓ and ✗", Meaning: "a figure is within its source's own spread, or is further off"},
	{Term: "bar", Meaning: "what a figure must hold, whatever was published; ! is behind a figure that does not"},
	{Term: "never", Meaning: "it did not happen while the simulation ran; in charts a place of its own beyond the axis"},
}

// page returns the report. It has nothing that differs between two runs with the same figures.
func (c *command) page(results []experiments.Performed) report.Page {
	p := report.Page{Command: c.again(""), Words: words}
	for _, r := range results {
		p.Sections = append(p.Sections, c.section(r))
	}
	p.Verdict = experiments.Sum(results).String()
	return p
}

func (c *command) section(r experiments.Performed) report.Section {
	s := report.Section{
		Name: r.Name, About: r.About, Setup: r.Setup, Source: r.Source, Err: r.Err,
		Command: c.again(r.Name), Settings: experiments.Settings(r), Verdict: r.Tally().String(), Off: r.Off(),
	}
	for _, word := range r.Words {
		s.Words = append(s.Words, report.Word(word))
	}
	if r.Machine {
		s.Verdict += ", which says how fast this machine is: no part of the verdict"
	}
	if len(r.Rows) > 0 {
		s.Charts, s.Table = experiments.Charts(r), r.Table()
	}
	return s
}

// again returns the command line that makes the same figures.
func (c *command) again(experiment string) string {
	parts := []string{"go run ./bench"}
	if experiment != "" {
		parts = append(parts, "-run '^"+experiment+"$'")
	} else if c.pattern != "" {
		parts = append(parts, "-run "+quoted(c.pattern))
	}
	parts = append(parts, fmt.Sprint("-seed ", c.seed))
	if c.quick {
		parts = append(parts, "-quick")
	}
	for _, file := range c.policies {
		parts = append(parts, "-policy "+quoted(file))
	}
	return strings.Join(parts, " ")
}

var plainWord = regexp.MustCompile(`^[\w./-]+$`)

// quoted returns a word as a shell reads it.
func quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
