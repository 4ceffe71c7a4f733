package main

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"path"
	"slices"
	"strings"
)

const (
	module     = "github.com/evenkeel-go/evenkeel"
	repository = "https://" + module
)

//go:embed assets
var assets embed.FS

// page is one page of the site.
type page struct {
	Path    string // in the site: docs/config.html
	Source  string // in the repository: docs/config.md, or the folder of a package
	Title   string
	Kind    string // "" or what to call it in a search: Package, Decision, Example
	Body    template.HTML
	TOC     []heading
	texts   []text   // what a search finds
	scripts []string // of the page alone
}

// heading is a place within a page.
type heading struct {
	Level    int
	ID, Text string
}

// text holds the words below one heading, or a symbol with its synopsis.
type text struct{ id, title, words string }

// site holds the pages, all of which are known before the first is rendered.
type site struct {
	root   string           // the repository
	pages  map[string]*page // by Source
	files  map[string][]byte
	broken []error // links that lead nowhere
}

// generate returns the files of the site by their paths.
func generate(root string) (map[string][]byte, error) {
	s := &site{root: root, pages: map[string]*page{}, files: map[string][]byte{}}
	packages, err := publicPackages(root)
	if err != nil {
		return nil, err
	}
	if err := s.find(packages); err != nil {
		return nil, err
	}
	if err := s.render(packages); err != nil {
		return nil, err
	}
	if err := s.playground(); err != nil {
		return nil, err
	}
	if err := s.frame(); err != nil {
		return nil, err
	}
	return s.files, errors.Join(append(s.broken, check(s.files)...)...)
}

// find names all pages, so that each can link to every other.
func (s *site) find(packages []pkg) error {
	sources, err := markdownFiles(s.root)
	if err != nil {
		return err
	}
	for _, source := range sources {
		s.add(&page{Source: source, Path: pathOf(source)})
	}
	for _, p := range packages {
		name := p.dir
		if name == "." {
			name = "evenkeel"
		}
		s.add(&page{Source: p.dir, Path: "pkg/" + name + ".html", Title: "package " + path.Base(name), Kind: "Package"})
	}
	s.add(&page{Source: "pkg", Path: "pkg/index.html", Title: "Packages"})
	examples, err := exampleFolders(s.root)
	if err != nil {
		return err
	}
	for _, dir := range examples {
		s.add(&page{Source: dir, Path: dir + ".html", Title: "Example " + path.Base(dir), Kind: "Example"})
	}
	s.add(&page{Source: "examples", Path: "examples/index.html", Title: "Examples"})
	s.add(&page{Source: "playground", Path: "playground.html", Title: "Playground", scripts: []string{"charts.js", "playground.js"}})
	return nil
}

func (s *site) add(p *page) { s.pages[p.Source] = p }

// pathOf returns the path of a Markdown file's page: a README is the index of its folder.
func pathOf(source string) string {
	dir, name := path.Split(source)
	if name == "README.md" {
		name = "index.md"
	}
	return dir + strings.TrimSuffix(name, ".md") + ".html"
}

// render makes the bodies of all pages.
func (s *site) render(packages []pkg) error {
	for _, source := range slices.Sorted(maps.Keys(s.pages)) {
		if strings.HasSuffix(source, ".md") {
			if err := s.markdown(s.pages[source]); err != nil {
				return fmt.Errorf("%s: %w", source, err)
			}
		}
	}
	for _, p := range packages {
		if err := s.documentation(p); err != nil {
			return fmt.Errorf("%s: %w", p.dir, err)
		}
	}
	s.listPackages(packages)
	return s.examples()
}

// link returns the address of a file, folder or address that a page of the repository links to.
func (s *site) link(from *page, dir, to string) string {
	if rest, ok := strings.CutPrefix(to, "https://pkg.go.dev/"+module); ok {
		if p := s.pages[strings.TrimPrefix(strings.TrimSuffix(rest, "/"), "/")]; p != nil {
			return relative(from.Path, p.Path)
		}
	}
	if strings.Contains(to, ":") || strings.HasPrefix(to, "#") {
		return to
	}
	file, fragment, _ := strings.Cut(to, "#")
	if fragment != "" {
		fragment = "#" + fragment
	}
	target := path.Join(dir, file)
	for _, source := range []string{target, path.Join(target, "README.md"), strings.TrimSuffix(target, "/main.go")} {
		if p := s.pages[source]; p != nil {
			return relative(from.Path, p.Path) + fragment
		}
	}
	if isPicture(target) && s.copy(target) {
		return relative(from.Path, target)
	}
	if !exists(s.root, target) {
		s.broken = append(s.broken, fmt.Errorf("%s: there is no %s", from.Source, target))
	}
	return repository + "/blob/main/" + target + fragment
}

// relative returns the address of a path seen from another.
func relative(from, to string) string {
	a, b := strings.Split(from, "/"), strings.Split(to, "/")
	for len(a) > 1 && len(b) > 1 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	return strings.Repeat("../", len(a)-1) + strings.Join(b, "/")
}
