package experiments

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Print writes one experiment for a reader whose lines have so many columns.
func Print(w io.Writer, p Performed, width int) error {
	b := bufio.NewWriter(w)
	lines(b, p.Name+": "+p.About, "", width)
	lines(b, p.Setup, "  ", width)
	for _, word := range p.Words {
		lines(b, word.Term+": "+word.Meaning, "  - ", width)
	}
	lines(b, "Source: "+p.Source, "  ", width)
	if p.Err != nil {
		lines(b, fmt.Sprintf("failed: %v", p.Err), "  ", width)
		fmt.Fprintln(b)
		return b.Flush()
	}
	p.brief().table().write(b, width)
	if n := len(p.brief().Rows); n < len(p.Rows) {
		lines(b, fmt.Sprintf("%d of %d rows; -html and -json have them all", n, len(p.Rows)), "  ", width)
	}
	for _, mark := range p.marks() {
		lines(b, mark, "  ", width)
	}
	for _, off := range p.Off() {
		lines(b, off, "    ", width)
	}
	fmt.Fprintln(b)
	return b.Flush()
}

// lines writes text behind an indent, whose other lines have spaces in place of its signs.
func lines(w io.Writer, text, indent string, width int) {
	for _, part := range wrap(text, width-len(indent)) {
		fmt.Fprintln(w, indent+part)
		indent = strings.Repeat(" ", len(indent))
	}
}

// wrap breaks text into lines of at most width, where it has spaces.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
