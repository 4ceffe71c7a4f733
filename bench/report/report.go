// Package report draws charts as SVG and puts them, with tables, into one HTML page that needs
// nothing else.
package report

import (
	_ "embed"
	"html/template"
	"io"
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

// Page is a report.
type Page struct {
	Command  string // that makes the same page
	Verdict  string
	Words    []Word // that all sections use
	Sections []Section
}

// Word explains a word.
type Word struct{ Term, Meaning string }

// Section is one experiment.
type Section struct {
	Name, About, Setup, Source string
	Err                        error
	Command                    string // that makes the same figures
	Words                      []Word
	Settings                   []string
	Verdict                    string
	Off                        []string // figures that are off what was published, or off their bar
	Charts                     []*Chart
	Table                      [][]string // the first line is the heading
}

// page is the data of the report's template.
type page struct {
	Page
	CSS      template.CSS
	Sections []section
}

type section struct {
	Section
	Charts []picture
	Head   []string
	Lines  []line
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

// Write writes everything as one page that needs nothing else.
func Write(w io.Writer, p Page) error {
	all := page{Page: p, CSS: template.CSS(reportCSS + chartCSS)}
	for _, s := range p.Sections {
		all.Sections = append(all.Sections, newSection(s))
	}
	return reportTemplate.Execute(w, all)
}

func newSection(from Section) section {
	s := section{Section: from}
	for _, one := range from.Charts {
		s.Charts = append(s.Charts, picture{
			one.Title, template.HTML(one.draw(wide, false)), template.HTML(one.draw(narrow, false)),
		})
	}
	if len(from.Table) == 0 {
		return s
	}
	s.Head = from.Table[0]
	for _, cells := range from.Table[1:] {
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
