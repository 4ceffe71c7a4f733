package main

import (
	"bytes"
	"fmt"
	"html"
	"html/template"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extensions "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	gohtml "github.com/yuin/goldmark/renderer/html"
	gotext "github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// markdown renders a page of the repository.
func (s *site) markdown(p *page) error {
	source, err := os.ReadFile(filepath.Join(s.root, filepath.FromSlash(p.Source)))
	if err != nil {
		return err
	}
	md := goldmark.New(
		goldmark.WithExtensions(extension.GFM),
		goldmark.WithParserOptions(parser.WithAutoHeadingID()),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(&nodes{gohtml.NewConfig()}, 100))),
	)
	context := parser.NewContext(parser.WithIDs(slugs{}))
	tree := md.Parser().Parse(gotext.NewReader(source), parser.WithContext(context))
	err = ast.Walk(tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			n.Destination = []byte(s.link(p, path.Dir(p.Source), string(n.Destination)))
		case *ast.RawHTML:
			s.refuse(p, n.Segments.Value(source))
		case *ast.HTMLBlock:
			s.refuse(p, lines(n, source))
		case *ast.Image:
			n.Destination = []byte(s.link(p, path.Dir(p.Source), string(n.Destination)))
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return err
	}
	p.outline(tree, source)
	var body bytes.Buffer
	if err := md.Renderer().Render(&body, source, tree); err != nil {
		return err
	}
	p.Body = template.HTML(body.String())
	if strings.HasPrefix(p.Source, "docs/adr/0") {
		p.Kind = "Decision"
	}
	return nil
}

// refuse ends the build for HTML in a page, which would be left out: most likely it is a name in
// angle brackets that lacks its backticks. Comments may stay.
func (s *site) refuse(p *page, html []byte) {
	if !bytes.HasPrefix(html, []byte("<!--")) {
		s.broken = append(s.broken, fmt.Errorf("%s: HTML would be left out: %s", p.Source, html))
	}
}

// outline collects the headings of a page, and what a search finds below each.
func (p *page) outline(tree ast.Node, source []byte) {
	for n := tree.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		if !ok {
			if len(p.texts) == 0 {
				p.texts = append(p.texts, text{})
			}
			p.texts[len(p.texts)-1].words += plain(n, source) + " "
			continue
		}
		id, _ := h.AttributeString("id")
		title := strings.TrimSpace(plain(h, source))
		if h.Level == 1 && p.Title == "" {
			p.Title = title
			p.texts = append(p.texts, text{})
			continue
		}
		p.TOC = append(p.TOC, heading{h.Level, string(id.([]byte)), title})
		p.texts = append(p.texts, text{id: string(id.([]byte)), title: title})
	}
}

// plain returns the text of a node.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			b.Write(n.Value(source))
			if n.SoftLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.FencedCodeBlock, *ast.CodeBlock:
			b.Write(lines(n, source))
		case *extensions.TableCell, *ast.Paragraph, *ast.ListItem:
			b.WriteByte(' ')
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// lines returns the text of a block.
func lines(n ast.Node, source []byte) []byte { return n.Lines().Value(source) }

// slugs makes the anchors of a page as GitHub does.
type slugs map[string]int

func (s slugs) Generate(value []byte, _ ast.NodeKind) []byte {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(string(value))) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z':
			b.WriteRune(r)
		}
	}
	id := b.String()
	n := s[id]
	s[id]++
	if n > 0 {
		id = fmt.Sprintf("%s-%d", id, n)
	}
	return []byte(id)
}

func (s slugs) Put(value []byte) { s[string(value)]++ }

// nodes renders what the site has in a form of its own.
type nodes struct{ gohtml.Config }

func (n *nodes) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindHeading, headingNode)
	r.Register(ast.KindFencedCodeBlock, block)
	r.Register(ast.KindCodeBlock, block)
	r.Register(extensions.KindTable, table)
	r.Register(ast.KindImage, image)
}

func headingNode(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	h := node.(*ast.Heading)
	id, _ := h.AttributeString("id")
	if entering {
		fmt.Fprintf(w, `<h%d id="%s">`, h.Level, id)
		return ast.WalkContinue, nil
	}
	if h.Level > 1 {
		fmt.Fprintf(w, ` <a class="anchor" href="#%s" aria-label="Link to: %s">#</a>`, id, html.EscapeString(plain(h, source)))
	}
	fmt.Fprintf(w, "</h%d>\n", h.Level)
	return ast.WalkContinue, nil
}

func block(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	language := ""
	if fenced, ok := node.(*ast.FencedCodeBlock); ok {
		language = string(fenced.Language(source))
	}
	_, err := w.WriteString(highlighted(string(lines(node, source)), language))
	return ast.WalkSkipChildren, err
}

func table(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		w.WriteString("<div class=\"scroll\" role=\"region\" aria-label=\"Table\" tabindex=\"0\"><table>\n")
	} else {
		w.WriteString("</table></div>\n")
	}
	return ast.WalkContinue, nil
}

func image(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		i := node.(*ast.Image)
		fmt.Fprintf(w, `<span class="picture" role="group" aria-label="Picture" tabindex="0"><img src="%s" alt="%s"></span>`,
			html.EscapeString(string(i.Destination)), html.EscapeString(plain(i, source)))
	}
	return ast.WalkSkipChildren, nil
}
