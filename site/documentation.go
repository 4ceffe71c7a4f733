package main

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"html"
	"html/template"
	"path"
	"strings"
)

// documentation renders the page of a package.
func (s *site) documentation(p pkg) error {
	d := documenter{site: s, pkg: p, page: s.pages[p.dir]}
	d.printf(`<h1>package %s</h1><p><code>import "%s"</code></p>`, p.doc.Name, p.importPath())
	d.page.texts = append(d.page.texts, text{words: p.doc.Synopsis(p.doc.Doc)})
	d.comment(p.doc.Doc)
	d.examples(p.doc.Examples)
	if n := len(p.doc.Consts) + len(p.doc.Vars) + len(p.doc.Funcs) + len(p.doc.Types); n > 0 {
		d.values("Constants", p.doc.Consts)
		d.values("Variables", p.doc.Vars)
		d.section("Functions", len(p.doc.Funcs))
		d.functions(p.doc.Funcs)
		d.section("Types", len(p.doc.Types))
		for _, t := range p.doc.Types {
			d.typ(t)
		}
	}
	d.page.Body = template.HTML(d.String())
	return nil
}

// documenter writes the page of one package.
type documenter struct {
	strings.Builder
	*site
	pkg
	page *page
}

func (d *documenter) printf(format string, args ...any) { fmt.Fprintf(d, format, args...) }

// comment writes a doc comment.
func (d *documenter) comment(text string) {
	printer := d.doc.Printer()
	printer.HeadingLevel = 2
	printer.HeadingID = func(h *comment.Heading) string { return h.DefaultID() }
	printer.DocLinkURL = d.docLink
	tree := d.doc.Parser().Parse(text)
	for _, block := range tree.Content {
		if code, ok := block.(*comment.Code); ok {
			d.WriteString(highlighted(code.Text, languageOf(code.Text)))
			continue
		}
		if h, ok := block.(*comment.Heading); ok {
			d.page.TOC = append(d.page.TOC, heading{2, h.DefaultID(), string(printer.Text(&comment.Doc{Content: []comment.Block{&comment.Paragraph{Text: h.Text}}}))})
		}
		d.Write(printer.HTML(&comment.Doc{Content: []comment.Block{block}, Links: tree.Links}))
	}
}

// languageOf guesses the language of a block in a comment: a shell's commands are no Go.
func languageOf(code string) string {
	if strings.HasPrefix(code, "go ") || strings.HasPrefix(code, "$ ") {
		return ""
	}
	return "go"
}

// docLink returns the address of a name in a comment.
func (d *documenter) docLink(l *comment.DocLink) string {
	fragment := l.Name
	if l.Recv != "" {
		fragment = l.Recv + "." + l.Name
	}
	if fragment != "" {
		fragment = "#" + fragment
	}
	if l.ImportPath == "" {
		return fragment
	}
	dir, ours := strings.CutPrefix(l.ImportPath, module)
	if ours {
		if dir = strings.TrimPrefix(dir, "/"); dir == "" {
			dir = "."
		}
		if p := d.pages[dir]; p != nil {
			return relative(d.page.Path, p.Path) + fragment
		}
	}
	return "https://pkg.go.dev/" + l.ImportPath + fragment
}

// section writes the heading of a kind of declarations.
func (d *documenter) section(title string, n int) {
	if n == 0 {
		return
	}
	id := "pkg-" + strings.ToLower(title)
	d.printf(`<h2 id="%s">%s</h2>`, id, title)
	d.page.TOC = append(d.page.TOC, heading{2, id, title})
}

// entry adds a declared name to the outline and to the search.
func (d *documenter) entry(id, doc string) {
	d.page.TOC = append(d.page.TOC, heading{3, id, id})
	d.page.texts = append(d.page.texts, text{id: id, title: d.doc.Name + "." + id, words: d.doc.Synopsis(doc)})
}

func (d *documenter) values(title string, values []*doc.Value) {
	d.section(title, len(values))
	d.valuesOf(values)
}

func (d *documenter) valuesOf(values []*doc.Value) {
	for _, v := range values {
		for _, name := range v.Names {
			if ast.IsExported(name) {
				d.printf(`<span id="%s"></span>`, name)
				d.page.texts = append(d.page.texts, text{id: name, title: d.doc.Name + "." + name, words: d.doc.Synopsis(v.Doc)})
			}
		}
		d.WriteString(highlighted(d.source(v.Decl), "go"))
		d.comment(v.Doc)
	}
}

func (d *documenter) functions(funcs []*doc.Func) {
	for _, f := range funcs {
		id, name := f.Name, "func "+f.Name
		if f.Recv != "" {
			base, _, _ := strings.Cut(strings.TrimPrefix(f.Recv, "*"), "[")
			id = base + "." + f.Name
			name = "func (" + f.Recv + ") " + f.Name
		}
		d.printf(`<h3 id="%s">%s</h3>`, id, html.EscapeString(name))
		d.entry(id, f.Doc)
		d.WriteString(highlighted(d.source(f.Decl), "go"))
		d.comment(f.Doc)
		d.examples(f.Examples)
	}
}

func (d *documenter) typ(t *doc.Type) {
	d.printf(`<h3 id="%s">type %s</h3>`, t.Name, t.Name)
	d.entry(t.Name, t.Doc)
	for _, member := range members(t.Decl) {
		d.printf(`<span id="%s.%s"></span>`, t.Name, member)
	}
	d.WriteString(highlighted(d.source(t.Decl), "go"))
	d.comment(t.Doc)
	d.alias(t.Decl)
	d.examples(t.Examples)
	d.valuesOf(t.Consts)
	d.valuesOf(t.Vars)
	d.functions(t.Funcs)
	d.functions(t.Methods)
}

// alias writes a link to the type that a type of ours is another name of.
func (d *documenter) alias(decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		t, ok := spec.(*ast.TypeSpec)
		if !ok || !t.Assign.IsValid() {
			continue
		}
		of, ok := t.Type.(*ast.SelectorExpr)
		if !ok {
			continue
		}
		from, ok := of.X.(*ast.Ident)
		if !ok {
			continue
		}
		for _, imported := range d.doc.Imports {
			if path.Base(imported) == from.Name {
				link := &comment.DocLink{ImportPath: imported, Name: of.Sel.Name}
				d.printf(`<p>Its fields and methods: <a href="%s">%s.%s</a>.</p>`, d.docLink(link), from.Name, of.Sel.Name)
			}
		}
	}
}

// members returns the exported fields of a struct, or the methods of an interface: comments link
// to them.
func members(decl *ast.GenDecl) (names []string) {
	for _, spec := range decl.Specs {
		t, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		var fields *ast.FieldList
		switch t := t.Type.(type) {
		case *ast.StructType:
			fields = t.Fields
		case *ast.InterfaceType:
			fields = t.Methods
		default:
			continue
		}
		for _, field := range fields.List {
			for _, name := range field.Names {
				if name.IsExported() {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

// examples writes examples behind a triangle each.
func (d *documenter) examples(examples []*doc.Example) {
	for _, e := range examples {
		title := "Example"
		if e.Suffix != "" {
			title += " (" + e.Suffix + ")"
		}
		d.printf(`<details class="example"><summary>%s</summary>`, html.EscapeString(title))
		d.comment(e.Doc)
		code := d.source(e.Code)
		if e.Play != nil {
			code = d.source(e.Play)
		} else {
			code = unindented(code)
		}
		d.WriteString(highlighted(code, "go"))
		if e.Output != "" {
			d.printf("<p>Output:</p>%s", highlighted(e.Output, ""))
		}
		d.WriteString("</details>")
	}
}

// unindented returns the statements of a block without its braces.
func unindented(code string) string {
	code = strings.TrimSuffix(strings.TrimPrefix(code, "{\n"), "\n}")
	var b strings.Builder
	for line := range strings.Lines(code) {
		b.WriteString(strings.TrimPrefix(line, "\t"))
	}
	return b.String() + "\n"
}

// listPackages renders the page of all packages, each with the first sentence of its comment.
func (s *site) listPackages(packages []pkg) {
	list := s.pages["pkg"]
	var b strings.Builder
	b.WriteString("<h1>Packages</h1><dl class=\"list\">")
	for _, p := range packages {
		synopsis := p.doc.Synopsis(p.doc.Doc)
		fmt.Fprintf(&b, `<dt><a href="%s">%s</a></dt><dd>%s</dd>`,
			relative(list.Path, s.pages[p.dir].Path), strings.TrimPrefix(p.importPath(), path.Dir(module)+"/"), html.EscapeString(synopsis))
	}
	b.WriteString("</dl>")
	list.Body = template.HTML(b.String())
	list.texts = []text{{words: "all packages"}}
}
