package main

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark/ast"
	"golang.org/x/net/html"
)

var madeOnce = sync.OnceValues(func() (map[string][]byte, error) { return generate("..") })

// made returns the files of the site; all tests share them.
func made(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := madeOnce()
	require.NoError(t, err)
	return files
}

// elements returns the elements of a page by their tag.
func elements(t *testing.T, page []byte, tag string) (found []*html.Node) {
	t.Helper()
	tree, err := html.Parse(bytes.NewReader(page))
	require.NoError(t, err)
	for n := range tree.Descendants() {
		if n.Type == html.ElementNode && n.Data == tag {
			found = append(found, n)
		}
	}
	return found
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func TestSite_HasEverySource(t *testing.T) {
	files := made(t)
	sources, err := markdownFiles("..")
	require.NoError(t, err)
	require.Greater(t, len(sources), 40)
	want := []string{"playground.html", "pkg/index.html", "examples/index.html"}
	for _, source := range sources {
		want = append(want, pathOf(source))
	}
	for _, name := range []string{
		"evenkeel", "retry", "call", "budget", "backoff", "backoff/cenkalti", "timeout", "httpx", "httpx/endpoints",
		"grpcx", "grpcx/balancer", "otelx", "outlier", "bench/fleet",
	} {
		want = append(want, "pkg/"+name+".html")
	}
	for _, name := range want {
		require.Contains(t, slices.Sorted(maps.Keys(files)), name)
	}
	for name := range files {
		require.NotContains(t, name, "internal", "what is not for users has no page")
	}
}

func TestSite_NavigationForNewcomers(t *testing.T) {
	var names []string
	for _, a := range elements(t, made(t)["index.html"], "a") {
		names = append(names, a.FirstChild.Data)
	}
	for _, name := range []string{
		"Quick start", "Choosing a policy", "Choosing a timeout", "Migrating", "Runbook", "How it is proved",
		"Architecture", "Playground",
	} {
		require.Contains(t, names, name)
	}
}

// A page of docs that the table of the navigation does not name is in it all the same.
func TestSite_AddsNewPages(t *testing.T) {
	s := &site{pages: map[string]*page{}}
	first := &page{Source: "README.md", Path: "index.html", Title: "evenkeel"}
	for _, p := range []*page{first, {Source: "docs/new.md", Path: "docs/new.html", Title: "Something new"}} {
		s.add(p)
	}
	menus := s.navigation(first)
	require.Equal(t, []item{{"Something new", "docs/new.html", false}}, menus[len(menus)-1].Items)
}

func TestSite_PagesAccessible(t *testing.T) {
	for name, data := range made(t) {
		if path.Ext(name) != ".html" {
			continue
		}
		require.Len(t, elements(t, data, "main"), 1, name)
		require.Len(t, elements(t, data, "h1"), 1, name)
		require.Equal(t, "en", attribute(elements(t, data, "html")[0], "lang"), name)
		require.Equal(t, "#main", attribute(elements(t, data, "a")[0], "href"), "%s: the first link skips the navigation", name)
		for _, img := range elements(t, data, "img") {
			require.NotEmpty(t, attribute(img, "alt"), name)
		}
		for _, pre := range elements(t, data, "pre") {
			require.Equal(t, "0", attribute(pre, "tabindex"), "%s: what scrolls can be scrolled with keys", name)
		}
	}
}

// Nothing is fetched from elsewhere: the site works without a network.
func TestSite_SelfContained(t *testing.T) {
	for name, data := range made(t) {
		if path.Ext(name) == ".html" {
			for _, tag := range []string{"script", "link", "img", "iframe"} {
				for _, n := range elements(t, data, tag) {
					require.NotContains(t, attribute(n, "src")+attribute(n, "href"), ":", "%s: %s", name, tag)
				}
			}
		}
		if path.Ext(name) == ".css" {
			require.NotRegexp(t, `url\(|@import`, string(data))
		}
	}
}

func TestSite_SearchFindsPlacesAndSymbols(t *testing.T) {
	index := string(made(t)["search-index.js"])
	require.True(t, strings.HasPrefix(index, "self.evenkeelIndex = ["))
	for _, want := range []string{
		`{"u":"docs/choosing-a-policy.html#which-budget","p":"Choosing a policy","t":"Which budget?"`,
		`{"u":"pkg/retry.html#Do","p":"package retry","t":"retry.Do","w":"Do `,
		`{"u":"pkg/retry.html#ReasonBudget","p":"package retry","t":"retry.ReasonBudget"`,
		`Retry-After`,
	} {
		require.Contains(t, index, want)
	}
}

func TestSite_Deterministic(t *testing.T) {
	again, err := generate("..")
	require.NoError(t, err)
	for name, data := range made(t) {
		require.Equal(t, string(data), string(again[name]), name)
	}
}

func TestCheck_FindsBrokenLinks(t *testing.T) {
	files := map[string][]byte{
		"index.html":  []byte(`<a href="docs/a.html#there">x</a> <a href="#here">x</a> <a id="here" href="https://example.org/x">x</a> <img src="p.svg">`),
		"p.svg":       []byte("x"),
		"docs/a.html": []byte(`<h2 id="there">x</h2><a href="../index.html">x</a><a href="a.html">x</a>`),
	}
	require.Empty(t, check(files))
	for wrong, want := range map[string]string{
		`<a href="no.html">`:           "there is no docs/no.html",
		`<a href="../docs/a.html#no">`: "docs/a.html has no no",
		`<a href="#no">`:               "docs/b.html has no no",
		`<img src="../q.svg">`:         "there is no q.svg",
		`<a href="/index.html">`:       "no link that works everywhere",
		`<a href="//example.org/">`:    "no link that works everywhere",
		`<a href="javascript:x()">`:    "no link that works everywhere",
		`<p id="x"></p><p id="x"></p>`: "x is there twice",
		`<a href="../">`:               "there is no .",
	} {
		files["docs/b.html"] = []byte(wrong)
		err := errors.Join(check(files)...)
		require.ErrorContains(t, err, want, wrong)
		require.ErrorContains(t, err, "docs/b.html: ")
	}
}

// A broken link in a source ends the build, with the name of the page.
func TestGenerate_BrokenLinkFails(t *testing.T) {
	for markdown, want := range map[string]string{
		"# T\n\n[x](docs/none.md)":                       "README.md: there is no docs/none.md",
		"# T\n\nrun <NAME> x":                            "README.md: HTML would be left out: <NAME>",
		"# T\n\n<!-- a comment -->":                      "",
		"# T\n\n[x](#none)":                              "index.html has no none",
		"# T\n\n![x](docs/none.svg)":                     "README.md: there is no docs/none.svg",
		"# T\n\n[x](docs/a.md#none)":                     "docs/a.html has no none",
		"# T\n\n[x](docs/a.md#b-c) [y](docs/a.md) `[z]`": "",
	} {
		root := t.TempDir()
		require.NoError(t, write(root, map[string][]byte{"README.md": []byte(markdown + "\n\n## Quick start\n"), "docs/a.md": []byte("# A\n\n## B C\n")}))
		s := &site{root: root, pages: map[string]*page{}, files: map[string][]byte{}}
		require.NoError(t, s.find(nil))
		require.NoError(t, s.render(nil))
		s.pages["playground"].Body = template.HTML("<h1>Playground</h1>")
		require.NoError(t, s.frame())
		err := errors.Join(append(s.broken, check(s.files)...)...)
		if want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, want)
		}
	}
}

func TestSlugs_MatchGitHub(t *testing.T) {
	s := slugs{}
	for _, c := range [][2]string{
		{"Should this call be retried at all?", "should-this-call-be-retried-at-all"},
		{"The server's side", "the-servers-side"},
		{"a `b_c` (d)", "a-b_c-d"},
		{"Twice", "twice"},
		{"Twice", "twice-1"},
		{"Twice", "twice-2"},
	} {
		require.Equal(t, c[1], string(s.Generate([]byte(c[0]), ast.KindHeading)))
	}
}

func TestRelative(t *testing.T) {
	for _, c := range [][3]string{
		{"index.html", "docs/a.html", "docs/a.html"},
		{"docs/a.html", "index.html", "../index.html"},
		{"docs/a.html", "docs/b.html", "b.html"},
		{"docs/adr/a.html", "docs/b.html", "../b.html"},
		{"pkg/httpx.html", "pkg/httpx/fault.html", "httpx/fault.html"},
	} {
		require.Equal(t, c[2], relative(c[0], c[1]))
	}
}

func TestHighlighted_KeepsEveryCharacter(t *testing.T) {
	for _, language := range []string{"go", "json", "", "nginx", "no-such-language"} {
		const code = "package a // <b>&amp;\n\nvar s = \"x\\n\" + `y`\n\tif 1 < 2 {}\n"
		page := elements(t, []byte(highlighted(code, language)), "code")[0]
		var text strings.Builder
		for n := range page.Descendants() {
			if n.Type == html.TextNode {
				text.WriteString(n.Data)
			}
		}
		require.Equal(t, code, text.String(), language)
	}
}

func TestPlayground_StatesDownloadSize(t *testing.T) {
	files := made(t)
	require.LessOrEqual(t, len(files["simulator.js"]), most)
	require.Contains(t, string(files["playground.html"]), fmt.Sprintf("%.1f MB", float64(len(files["simulator.js"]))/1e6))
	for name, data := range files {
		if path.Ext(name) == ".html" {
			require.NotContains(t, string(data), `src="simulator.js"`, "%s loads it before it is used", name)
		}
	}
	wasm, err := simulator("..")
	require.NoError(t, err)
	require.LessOrEqual(t, len(wasm), most)
	for _, large := range []string{"google.golang.org/grpc", "go.opentelemetry.io"} {
		require.NotContains(t, string(wasm), large)
	}
}

func TestPictures_DrawnFromRuns(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, draw(folder))
	for _, p := range pictures() {
		data, err := os.ReadFile(filepath.Join(folder, p.file))
		require.NoError(t, err)
		require.Len(t, elements(t, data, "title"), 1)
		for _, name := range p.names {
			require.Contains(t, strings.ReplaceAll(string(data), "&#39;", "'"), ">"+name+"<")
		}
		require.FileExists(t, filepath.Join("..", "docs", p.file))
	}
}
