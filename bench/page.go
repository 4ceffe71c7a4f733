package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/evenkeel-go/evenkeel/bench/experiments"
	"github.com/evenkeel-go/evenkeel/bench/report"
)

// page returns the report. It has nothing that differs between two runs with the same figures.
func (c *command) page(results []experiments.Performed) report.Page {
	p := report.Page{Command: c.again("")}
	var rows []experiments.Row
	for _, r := range results {
		p.Sections = append(p.Sections, c.section(r))
		rows = append(rows, r.Rows...)
	}
	p.Verdict = experiments.Verdict(rows)
	return p
}

func (c *command) section(r experiments.Performed) report.Section {
	s := report.Section{
		Name: r.Name, About: r.About, Setup: r.Setup, Source: r.Source, Err: r.Err,
		Command: c.again(r.Name), Settings: experiments.Settings(r), Verdict: experiments.Verdict(r.Rows),
	}
	for _, row := range r.Rows {
		for _, off := range row.Off() {
			s.Off = append(s.Off, row.Label()+": "+off)
		}
	}
	if len(r.Rows) > 0 {
		s.Charts, s.Table = experiments.Charts(r), experiments.Table(r)
	}
	return s
}

// again is the command line that makes the same figures.
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

// quoted is a word as a shell reads it.
func quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
