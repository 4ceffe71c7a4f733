package main

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	//go:embed report.html.tmpl
	reportHTML string
	//go:embed report.css
	reportCSS string
	//go:embed chart.css
	chartCSS string

	reportTemplate = template.Must(template.New("report").Parse(reportHTML))
)

// page is what the report's template sees. It has nothing that differs between two runs with the same figures.
type page struct {
	CSS      template.CSS
	Command  string
	Verdict  string
	Sections []section
}

// section is one experiment.
type section struct {
	Performed
	Command  string
	Settings []string
	Verdict  string
	Off      []string // figures that are off what was published, or off their bar
	Charts   []picture
	Head     []string
	Lines    []line
}

// picture is one chart, drawn twice: the style sheet shows the one for the reader's screen.
type picture struct {
	Title        string
	Wide, Narrow template.HTML // built by svg, which escapes
}

// line is one line of a table.
type line struct {
	Cells []string
	Class string
}

// writeReport writes everything as one page that needs nothing else.
func writeReport(w io.Writer, c *command, results []Performed) error {
	p := page{CSS: template.CSS(reportCSS + chartCSS), Command: c.again("")}
	var rows []Row
	for _, r := range results {
		p.Sections = append(p.Sections, newSection(c, r))
		rows = append(rows, r.Rows...)
	}
	p.Verdict = untimed(rows)
	return reportTemplate.Execute(w, p)
}

func newSection(c *command, r Performed) section {
	s := section{Performed: r, Command: c.again(r.Name), Settings: settings(r), Verdict: untimed(r.Rows)}
	for _, row := range r.Rows {
		for _, off := range row.Off() {
			s.Off = append(s.Off, row.Label()+": "+off)
		}
	}
	if len(r.Rows) == 0 {
		return s
	}
	for _, one := range charts(r) {
		s.Charts = append(s.Charts, picture{
			one.title, template.HTML(one.draw(wide, false)), template.HTML(one.draw(narrow, false)),
		})
	}
	t := flat(r)
	if r.Pivot != "" {
		t = pivoted(r)
	}
	s.Head = t.lines[0]
	for _, cells := range t.lines[1:] {
		for len(cells) < len(s.Head) {
			cells = append(cells, "")
		}
		s.Lines = append(s.Lines, line{cells, lineClass(cells[0])})
	}
	return s
}

func lineClass(first string) string {
	switch {
	case strings.HasPrefix(first, " "):
		return "published"
	case strings.HasPrefix(first, "evenkeel"):
		return "ours"
	case strings.HasPrefix(first, "user:"):
		return "yours"
	}
	return ""
}

// untimed is what the figures come to.
func untimed(rows []Row) string {
	compared, agreed := agreement(rows)
	text := verdict(compared, agreed, rows, 0)
	return strings.TrimSuffix(strings.TrimSuffix(text, "0.0 s"), "; ")
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

// writePictures writes each chart as an SVG file of its own into a folder.
func writePictures(folder string, results []Performed) error {
	var errs []error
	for _, r := range results {
		for i, c := range charts(r) {
			name := r.Name
			if i > 0 {
				name = c.id
			}
			errs = append(errs, os.WriteFile(filepath.Join(folder, name+".svg"), []byte(c.draw(wide, true)+"\n"), 0o644))
		}
	}
	return errors.Join(errs...)
}
