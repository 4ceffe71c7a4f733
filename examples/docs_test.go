package examples_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/balancer/leastrequest"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/evenkeel-go/evenkeel/grpcx"
	_ "github.com/evenkeel-go/evenkeel/grpcx/balancer"
	"github.com/evenkeel-go/evenkeel/retry"
)

// block is a fenced block of a page.
type block struct {
	page, language, text string
	line                 int
}

func (b block) String() string { return fmt.Sprintf("%s:%d", filepath.Base(b.page), b.line) }

// pages returns the paths of the README and of the pages of docs.
func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	return append(found, "../README.md")
}

// blocks finds the fenced blocks of all pages.
func blocks(t *testing.T, language string) []block {
	t.Helper()
	var found []block
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		var open *block
		for i, line := range strings.Split(string(text), "\n") {
			switch fence, isFence := strings.CutPrefix(line, "```"); {
			case isFence && open == nil:
				open = &block{page: page, language: fence, line: i + 2}
			case isFence:
				if open.language == language {
					found = append(found, *open)
				}
				open = nil
			case open != nil:
				open.text += line + "\n"
			}
		}
		require.Nil(t, open, "%s: a block that is not closed", page)
	}
	require.NotEmpty(t, found)
	return found
}

func TestDocs_PoliciesValid(t *testing.T) {
	for _, b := range blocks(t, "json") {
		if strings.Contains(b.text, "loadBalancingConfig") {
			cc, err := grpc.NewClient("passthrough:///", grpc.WithDefaultServiceConfig(b.text),
				grpc.WithTransportCredentials(insecure.NewCredentials()))
			require.NoError(t, err, b.String())
			require.NoError(t, cc.Close())
			continue
		}
		if strings.Contains(b.text, "methodConfig") {
			_, err := grpcx.FromServiceConfig(b.text)
			require.NoError(t, err, b.String())
			continue
		}
		var cfg retry.Config
		require.NoError(t, json.Unmarshal([]byte(b.text), &cfg), b.String())
		_, err := retry.New(cfg)
		require.NoError(t, err, b.String())
	}
}

func TestDocs_HaveEveryJSONName(t *testing.T) {
	page, err := os.ReadFile("../docs/config.md")
	require.NoError(t, err)
	known := regexp.MustCompile(`\(known: ([a-z_, ]+)\)`)
	for _, field := range []string{"backoff", "throttled_backoff", "budget", "attempt_timeout", "hedge"} {
		var cfg retry.Config
		err := json.Unmarshal([]byte(`{"`+field+`": "no-such-name"}`), &cfg)
		require.Error(t, err)
		names := known.FindStringSubmatch(err.Error())
		require.Len(t, names, 2, "%v", err)
		for name := range strings.SplitSeq(names[1], ", ") {
			require.Contains(t, string(page), "| `"+name+"` |", "%s has no row for %s", field, name)
			require.Contains(t, string(page), `"`+name+`"`, "%s has no example for %s", field, name)
		}
	}
}

// TestDocs_GoBlocksCompile builds every Go block as a package of its own. Blocks may leave
// out the package clause, the imports of this module and of what prelude names, and the function
// around their statements.
func TestDocs_GoBlocksCompile(t *testing.T) {
	overlay := map[string]string{}
	modules := map[string][]string{} // directory of the module: packages
	names := map[string]block{}
	for i, b := range blocks(t, "go") {
		if b.page == sdks {
			continue // compiled where it is tested: TestSDKs_BlocksTested
		}
		source, err := program(b.text)
		require.NoError(t, err, b.String())
		module := "."
		if regexp.MustCompile(`"(go.opentelemetry.io/contrib|go.opentelemetry.io/otel/exporters|github.com/prometheus)/`).MatchString(source) {
			module = "otel"
		}
		name := fmt.Sprintf("block%d", i)
		file := filepath.Join(t.TempDir(), name+".go")
		require.NoError(t, os.WriteFile(file, []byte(source), 0o600))
		target, err := filepath.Abs(filepath.Join(module, "zz_docs", name, name+".go"))
		require.NoError(t, err)
		overlay[target] = file
		modules[module] = append(modules[module], "./zz_docs/"+name)
		names[name] = b
	}
	data, err := json.Marshal(map[string]any{"Replace": overlay})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "overlay.json")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	for module, packages := range modules {
		cmd := exec.CommandContext(t.Context(), "go", append([]string{"build", "-overlay", file}, packages...)...)
		cmd.Dir = module
		text, err := cmd.CombinedOutput()
		explained := regexp.MustCompile(`block\d+`).ReplaceAllStringFunc(string(text), func(name string) string {
			return names[name].String()
		})
		require.NoError(t, err, "%s", explained)
	}
}

// prelude is what blocks may use without saying where it comes from.
var prelude = map[string]string{
	"ctx":    "context.Context",
	"policy": "*retry.Policy",
	"db":     "*sql.DB",
	"creds":  "credentials.TransportCredentials",
	"mux":    "*http.ServeMux",
	"t":      "*testing.T",
	"fetch":  "func(context.Context) (string, error)",
	"target": "string",
}

// packages are the imports that blocks may leave out, by the name that they are used by.
var packages = map[string]string{
	"context": "context", "http": "net/http", "testing": "testing", "time": "time", "fmt": "fmt", "errors": "errors",
	"log": "log", "slog": "log/slog", "io": "io", "os": "os", "atomic": "sync/atomic", "strings": "strings",
	"json": "encoding/json", "sql": "database/sql",
	"grpc": "google.golang.org/grpc", "credentials": "google.golang.org/grpc/credentials",
}

func init() {
	for _, name := range []string{
		"backoff", "budget", "timeout", "retry", "httpx", "grpcx", "otelx", "bench/fleet",
		"grpcx/balancer", "httpx/endpoints", "outlier",
	} {
		packages[filepath.Base(name)] = "github.com/evenkeel-go/evenkeel/" + name
	}
}

// program makes a file of a block: its imports, its declarations, and its statements in a
// function.
func program(text string) (string, error) {
	if strings.HasPrefix(text, "package ") {
		return strings.Replace(text, "package main", "package docs", 1), nil // main or not: it is built and not linked
	}
	imports, body := "", text
	if rest, ok := strings.CutPrefix(text, "import (\n"); ok {
		imports, body, _ = strings.Cut(rest, "\n)\n")
	}
	if !regexp.MustCompile(`(?m)^(func|type) `).MatchString(body) {
		used, err := useAll(body)
		if err != nil {
			return "", err
		}
		body = "func _() {\n" + used + "\n}\n"
	}
	for name, kind := range prelude {
		if regexp.MustCompile(`\b` + name + `\b`).MatchString(body) {
			body += "\nvar " + name + " " + kind + "\n"
		}
	}
	for name, path := range packages {
		if regexp.MustCompile(`\b`+name+`\.[A-Z]`).MatchString(body) && !strings.Contains(imports, `"`+path+`"`) {
			imports += "\n\t\"" + path + "\""
		}
	}
	source := "package docs\n\nimport (\n" + imports + "\n)\n\n" + body
	formatted, err := format.Source([]byte(source))
	return string(formatted), err
}

// useAll adds a use of each variable that the statements define and may not use, as a fragment
// does.
func useAll(body string) (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc _() {\n"+body+"\n}", 0)
	if err != nil {
		return "", err
	}
	uses := ""
	for _, statement := range file.Decls[0].(*ast.FuncDecl).Body.List {
		assign, ok := statement.(*ast.AssignStmt)
		if !ok || assign.Tok != token.DEFINE {
			continue
		}
		for _, left := range assign.Lhs {
			if name := left.(*ast.Ident).Name; name != "_" {
				uses += "\n_ = " + name
			}
		}
	}
	return body + uses, nil
}

// TestDocs_HaveEveryName keeps the tables of names complete: what the code spells is on
// its page.
func TestDocs_HaveEveryName(t *testing.T) {
	for _, c := range []struct {
		page, folder string
		name         *regexp.Regexp
		least        int
	}{
		{"metrics.md", "otelx", regexp.MustCompile(`"((?:evenkeel|grpc)\.[a-z]+(?:[._][a-z]+)*)"`), 15},
		{"wire-format.md", "httpx", regexp.MustCompile(`"((?:[A-Z][A-Za-z]*-)+[A-Z][A-Za-z]*)"`), 8},
		{"wire-format.md", "grpcx", regexp.MustCompile(`"(grpc-[a-z-]+)"`), 2},
	} {
		page, err := os.ReadFile("../docs/" + c.page)
		require.NoError(t, err)
		files, err := filepath.Glob("../" + c.folder + "/*.go")
		require.NoError(t, err)
		found := map[string]bool{}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, match := range c.name.FindAllStringSubmatch(string(source), -1) {
				found[match[1]] = true
			}
		}
		require.GreaterOrEqual(t, len(found), c.least, "%s: %v", c.folder, found)
		for name := range found {
			require.Contains(t, strings.ToLower(string(page)), strings.ToLower("`"+name), "%s of %s", name, c.folder)
		}
	}
}

func TestDocs_HaveEveryReasonAndClass(t *testing.T) {
	page, err := os.ReadFile("../docs/metrics.md")
	require.NoError(t, err)
	for r := retry.ReasonSuccess; r <= retry.ReasonPaused; r++ {
		require.Contains(t, string(page), "| `"+r.String()+"` |")
	}
	for c := retry.Success; c <= retry.Canceled; c++ {
		require.Contains(t, string(page), "`"+c.String()+"`")
	}
}

func TestDocs_LinksResolve(t *testing.T) {
	links := regexp.MustCompile(`\]\(([^):]*)\)`) // with a colon it leads out
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		prose := regexp.MustCompile("`[^`\n]*`").ReplaceAllString(string(text), "code")
		for _, link := range links.FindAllStringSubmatch(prose, -1) {
			file, anchor, _ := strings.Cut(link[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
				_, err := os.Stat(target)
				require.NoError(t, err, "a link of %s", page)
			}
			if anchor != "" {
				require.Contains(t, anchors(t, target), anchor, "a link of %s to %s", page, target)
			}
		}
	}
}

// anchors returns the anchors that GitHub generates for a page's headings.
func anchors(t *testing.T, page string) (found []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			slug := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			found = append(found, strings.ReplaceAll(slug, " ", "-"))
		}
	}
	return found
}
