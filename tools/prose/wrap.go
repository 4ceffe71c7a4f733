package main

import (
	"os"
	"regexp"
	"strings"

	"github.com/evenkeel-go/evenkeel/tools/gofiles"
)

// literal matches comment lines that stay as they are: code, lists, headings, directives.
var literal = regexp.MustCompile(`^//(\s{2,}|\t|\s?[-*•] |\s*\d+\. |\s?# |go:|nolint|line |lint:|$)`)

// wrap wraps the paragraphs of comments that have a line that is too long, and writes the file.
func wrap(f *gofiles.File) error {
	lines := strings.Split(string(f.Source), "\n")
	wrapped := map[int][]string{} // by the number of the paragraph's first line, from 0
	ends := map[int]int{}
	for _, group := range f.Tree.Comments {
		for i := 0; i < len(group.List) && !isOutput(group.List[i].Text); {
			from := f.Line(group.List[i].Pos()) - 1
			to := from
			long := false
			for i < len(group.List) && stands(lines[to]) && !isOutput(group.List[i].Text) {
				long = long || isLong(lines[to], group.List[i].Text)
				i++
				to++
			}
			if to == from {
				i++
			} else if long {
				wrapped[from], ends[from] = fill(lines[from:to]), to
			}
		}
	}
	if len(wrapped) == 0 {
		return nil
	}
	var out []string
	for i := 0; i < len(lines); {
		if paragraph, ok := wrapped[i]; ok {
			out = append(out, paragraph...)
			i = ends[i]
			continue
		}
		out = append(out, lines[i])
		i++
	}
	return os.WriteFile(f.Path, []byte(strings.Join(out, "\n")), 0o644)
}

// stands reports whether a line is text of a comment, and nothing else.
func stands(line string) bool {
	text := strings.TrimSpace(line)
	return strings.HasPrefix(text, "// ") && !literal.MatchString(text)
}

// fill breaks the words of a paragraph into lines of at most 99 columns.
func fill(lines []string) (out []string) {
	indent, _, _ := strings.Cut(lines[0], "//")
	line := indent + "//"
	for _, l := range lines {
		for _, word := range strings.Fields(strings.TrimSpace(l)[2:]) {
			if width(line+" "+word) > columns && line != indent+"//" {
				out = append(out, line)
				line = indent + "//"
			}
			line += " " + word
		}
	}
	return append(out, line)
}

func width(line string) int { return len([]rune(strings.ReplaceAll(line, "\t", "    "))) }
