package examples_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/retry"
)

// verbs are what fmt replaces, and what the runbook writes as an ellipsis.
var verbs = regexp.MustCompile(`%[#+]?[vdqsTw]`)

// errorTexts returns the text of every error and panic that the library makes, by the place where
// it does.
func errorTexts(t *testing.T) map[string]string {
	texts := map[string]string{}
	for _, root := range []string{"call", "retry", "httpx", "grpcx", "otelx", "budget", "backoff", "timeout", "internal"} {
		err := filepath.WalkDir("../"+root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "testkit" || d.Name() == "leak"):
				return fs.SkipDir
			case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, 0)
			require.NoError(t, err)
			ast.Inspect(file, func(n ast.Node) bool {
				if text := textOf(n); text != "" {
					texts[files.Position(n.Pos()).String()] = text
				}
				return true
			})
			return nil
		})
		require.NoError(t, err)
	}
	return texts
}

// textOf returns the text of a call that makes an error or panics, or of an error type's literal.
func textOf(n ast.Node) string {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return ""
	}
	arg := 0
	switch name := nameOf(call.Fun); name {
	case "errors.New", "fmt.Errorf", "panic", "Errorf", "bad":
	case "conf.Errorf", "status.New", "status.Error", "must":
		arg = 1
	default:
		return ""
	}
	if nameOf(call.Fun) == "Errorf" || nameOf(call.Fun) == "bad" {
		arg = len(call.Args) - 1
		for i, a := range call.Args {
			if text := literal(a); strings.Contains(text, " ") {
				arg = i
				break
			}
		}
	}
	if len(call.Args) <= arg {
		return ""
	}
	text := literal(call.Args[arg])
	if inner, ok := call.Args[arg].(*ast.CallExpr); ok && nameOf(inner.Fun) == "fmt.Sprintf" {
		text = literal(inner.Args[0])
	}
	text = strings.TrimPrefix(verbs.ReplaceAllString(text, "…"), "…: ")
	if !regexp.MustCompile(`[a-z]{2}`).MatchString(text) {
		return "" // only what it wraps
	}
	return text
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok {
			return x.Name + "." + e.Sel.Name
		}
	}
	return ""
}

// literal returns a string literal's value, with an ellipsis for what is added to it.
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return text
		}
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			x, y := literal(e.X), literal(e.Y)
			if x == "" && y == "" {
				return ""
			}
			return or(x) + or(y)
		}
	}
	return ""
}

func or(text string) string {
	if text == "" {
		return "…"
	}
	return text
}

// mistakes are the errors of a configuration, which say themselves what to do. The runbook has
// their form.
var mistakes = regexp.MustCompile(`(^|[ :])must `)

// Whoever finds an error of ours in a log finds it in the runbook.
func TestRunbook_HasEveryError(t *testing.T) {
	page, err := os.ReadFile("../docs/runbook.md")
	require.NoError(t, err)
	texts := errorTexts(t)
	require.Greater(t, len(texts), 80)
	for where, text := range texts {
		if text == "unreachable" || text == "context deadline exceeded" { // no case, and Go's own
			continue
		}
		if mistakes.MatchString(text) {
			continue
		}
		if !strings.Contains(string(page), text) {
			t.Errorf("%s: not in docs/runbook.md: %s", where, text)
		}
	}
}

func TestRunbook_HasEveryReason(t *testing.T) {
	page, err := os.ReadFile("../docs/runbook.md")
	require.NoError(t, err)
	for r := retry.ReasonSuccess; r.String() != "unknown"; r++ {
		require.Contains(t, string(page), "| `"+r.String()+"` |")
	}
}

// docs/migrating.md promises it to readers who count their dependencies.
func TestHTTPX_ImportsStandardLibraryOnly(t *testing.T) {
	text, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "../httpx").Output()
	require.NoError(t, err)
	for _, name := range strings.Fields(string(text)) {
		first, _, _ := strings.Cut(name, "/")
		own := strings.HasPrefix(name, "github.com/evenkeel-go/evenkeel/")
		require.True(t, own || !strings.Contains(first, ".") || strings.HasPrefix(name, "vendor/"), name)
	}
}
