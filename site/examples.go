package main

import (
	"fmt"
	"go/doc"
	"go/parser"
	"go/token"
	"html"
	"html/template"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// examples renders each program below examples, and their list.
func (s *site) examples() error {
	list := s.pages["examples"]
	var b strings.Builder
	b.WriteString("<h1>Examples</h1><p>Each is a program of a few dozen lines that a test builds and runs.</p><dl class=\"list\">")
	for _, source := range slices.Sorted(maps.Keys(s.pages)) {
		p := s.pages[source]
		if p.Kind != "Example" {
			continue
		}
		synopsis, err := s.example(p)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, `<dt><a href="%s">%s</a></dt><dd>%s</dd>`, relative(list.Path, p.Path), path.Base(source), html.EscapeString(synopsis))
	}
	b.WriteString("</dl>")
	list.Body = template.HTML(b.String())
	list.texts = []text{{words: "programs to read and to run"}}
	return nil
}

// example renders one program: its comment, and its text.
func (s *site) example(p *page) (synopsis string, err error) {
	source, err := os.ReadFile(filepath.Join(s.root, filepath.FromSlash(p.Source), "main.go"))
	if err != nil {
		return "", err
	}
	file, err := parser.ParseFile(token.NewFileSet(), "main.go", source, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		return "", err
	}
	comment := file.Doc.Text()
	var none doc.Package
	code := string(source[file.Package-1:])
	p.Body = template.HTML(fmt.Sprintf("<h1>%s</h1>%s<pre tabindex=\"0\"><code>go run ./%s</code></pre>%s",
		p.Title, none.HTML(comment), p.Source, highlighted(code, "go")))
	synopsis = none.Synopsis(comment)
	p.texts = []text{{words: synopsis}}
	return synopsis, nil
}
