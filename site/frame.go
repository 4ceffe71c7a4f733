package main

import (
	"bytes"
	"html/template"
	"maps"
	"slices"
	"strings"
)

// frame puts every page into the layout and adds what all of them use.
func (s *site) frame() error {
	layout, err := template.ParseFS(assets, "assets/layout.html.tmpl")
	if err != nil {
		return err
	}
	for _, source := range slices.Sorted(maps.Keys(s.pages)) {
		p := s.pages[source]
		var b bytes.Buffer
		if err := layout.Execute(&b, s.framed(p)); err != nil {
			return err
		}
		s.files[p.Path] = b.Bytes()
	}
	for _, name := range []string{"icon.svg", "style.css", "site.js", "charts.js", "playground.js"} {
		if s.files[name], err = assets.ReadFile("assets/" + name); err != nil {
			return err
		}
	}
	s.files["search-index.js"], err = s.searchIndex()
	return err
}

// framed holds the data of the layout.
type framed struct {
	*page
	Root          string // the way to the root of the site: "" or "../"
	Home          bool
	Menus         []menu
	Outline       []heading
	Before, After *item
	Origin        string // the address of the source
	Scripts       []string
}

func (s *site) framed(p *page) framed {
	f := framed{
		page: p, Root: strings.Repeat("../", strings.Count(p.Path, "/")), Home: p.Source == "README.md",
		Menus: s.navigation(p), Outline: p.outlined(), Scripts: p.scripts,
	}
	f.Before, f.After = s.around(p)
	switch {
	case p.Kind == "Package", strings.HasSuffix(p.Source, ".md"), p.Kind == "Example":
		f.Origin = repository + "/blob/main/" + strings.TrimPrefix(p.Source, ".")
	}
	return f
}

// outlined returns the headings for the side of a page: of two levels, if they are several.
func (p *page) outlined() []heading {
	var outline []heading
	for _, h := range p.TOC {
		if h.Level == 2 || h.Level == 3 {
			outline = append(outline, h)
		}
	}
	if len(outline) < 2 {
		return nil
	}
	return outline
}
