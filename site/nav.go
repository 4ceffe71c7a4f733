package main

import (
	"maps"
	"slices"
	"strings"
)

// group is a part of the navigation.
type group struct {
	Title   string
	Entries []entry
}

// entry is a page of the repository under a name that is shorter than its title. One whose page
// there is not yet is left out.
type entry struct{ Name, Source, Fragment string }

// groups are the navigation. A page of docs that is not here comes into the last one by itself.
var groups = []group{
	{"Start", []entry{
		{"Overview", "README.md", ""},
		{"Quick start", "README.md", "quick-start"},
		{"Examples", "examples", ""},
		{"SDKs", "docs/sdks.md", ""},
		{"Migrating", "docs/migrating.md", ""},
		{"Playground", "playground", ""},
	}},
	{"Choose", []entry{
		{"Choosing a policy", "docs/choosing-a-policy.md", ""},
		{"Choosing a timeout", "docs/choosing-a-timeout.md", ""},
		{"A policy as JSON", "docs/config.md", ""},
		{"Backends", "docs/backends.md", ""},
	}},
	{"Run", []entry{
		{"Runbook", "docs/runbook.md", ""},
		{"Metrics, traces, logs", "docs/metrics.md", ""},
		{"Headers and metadata", "docs/wire-format.md", ""},
	}},
	{"Trust", []entry{
		{"How it is proved", "docs/how-it-is-proved.md", ""},
		{"Benchmarks", "docs/benchmarks.md", ""},
		{"Architecture", "docs/architecture.md", ""},
		{"Decisions", "docs/adr/README.md", ""},
		{"Integration tests", "integration/README.md", ""},
	}},
	{"Packages", nil}, // publicPackages
	{"More", []entry{
		{"Changelog", "CHANGELOG.md", ""},
		{"Versions", "VERSIONING.md", ""},
		{"Security", "SECURITY.md", ""},
		{"Contributing", "CONTRIBUTING.md", ""},
		{"Conduct", "CODE_OF_CONDUCT.md", ""},
		{"Release", "RELEASE.md", ""},
	}},
}

// item is an entry as one page shows it.
type item struct {
	Name, Href string
	Current    bool
}

// menu is a group as one page shows it.
type menu struct {
	Title string
	Items []item
}

// navigation returns the groups as a page shows them.
func (s *site) navigation(from *page) []menu {
	var menus []menu
	for _, g := range s.navGroups() {
		m := menu{Title: g.Title}
		for _, e := range g.Entries {
			p := s.pages[e.Source]
			if p == nil {
				continue
			}
			href := relative(from.Path, p.Path)
			if e.Fragment != "" {
				href += "#" + e.Fragment
			}
			current := e.Fragment == "" && (p == from || e.Source == "docs/adr/README.md" && strings.HasPrefix(from.Source, "docs/adr/") ||
				e.Source == "examples" && from.Kind == "Example")
			m.Items = append(m.Items, item{e.Name, href, current})
		}
		menus = append(menus, m)
	}
	return menus
}

// navGroups adds to groups the packages, and the pages of docs that groups does not name.
func (s *site) navGroups() []group {
	named := map[string]bool{}
	for _, g := range groups {
		for _, e := range g.Entries {
			named[e.Source] = true
		}
	}
	all := slices.Clone(groups)
	for i, g := range all {
		g.Entries = slices.Clone(g.Entries)
		switch {
		case g.Title == "Packages":
			g.Entries = append(g.Entries, entry{"All packages", "pkg", ""})
			for _, source := range slices.Sorted(maps.Keys(s.pages)) {
				if s.pages[source].Kind == "Package" && source != "." {
					g.Entries = append(g.Entries, entry{source, source, ""})
				}
			}
		case i == len(all)-1:
			for _, source := range slices.Sorted(maps.Keys(s.pages)) {
				if strings.HasPrefix(source, "docs/") && strings.Count(source, "/") == 1 && !named[source] {
					g.Entries = append(g.Entries, entry{s.pages[source].Title, source, ""})
				}
			}
		}
		all[i] = g
	}
	return all
}

// around returns the pages before and after one, in the order of the navigation. Decisions follow
// each other.
func (s *site) around(from *page) (before, after *item) {
	var order []*page
	for _, g := range s.navGroups() {
		for _, e := range g.Entries {
			if p := s.pages[e.Source]; p != nil && e.Fragment == "" {
				order = append(order, p)
			}
		}
	}
	if strings.HasPrefix(from.Source, "docs/adr/") {
		order = nil
		for _, source := range slices.Sorted(maps.Keys(s.pages)) {
			if strings.HasPrefix(source, "docs/adr/0") {
				order = append(order, s.pages[source])
			}
		}
	}
	at := slices.Index(order, from)
	step := func(i int) *item {
		if at < 0 || i < 0 || i >= len(order) {
			return nil
		}
		return &item{Name: order[i].Title, Href: relative(from.Path, order[i].Path)}
	}
	return step(at - 1), step(at + 1)
}
