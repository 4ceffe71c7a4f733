package call_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/call"
)

// paths holds the places of the module that decide what a call does next: files without tests.
type paths struct {
	holding   []string // packages with a variable of type call.Call
	advancing []string // packages that call Next with a time
	asking    []string // files that ask a budget
	delaying  []string // files that compute a delay
}

// There is one way to advance a call. What the simulator proves is proved of production because
// both use it: Do, DoValue, HTTP and unary gRPC through internal/drive, streams and the simulator
// by themselves.
func TestDrivers_NoSecondPath(t *testing.T) {
	machine := reflect.TypeFor[*call.Call]()
	var methods []string
	for i := range machine.NumMethod() {
		methods = append(methods, machine.Method(i).Name)
	}
	require.Equal(t, []string{"Cancel", "Done", "Next", "Planned", "Report"}, methods)
	for i := range machine.Elem().NumField() {
		require.False(t, machine.Elem().Field(i).IsExported(), "a driver could look into a Call")
	}

	p := findPaths(t)
	drivers := []string{"bench/experiments", "bench/fleet", "grpcx", "internal/drive"}
	require.Equal(t, drivers, p.holding, "a new driver advances a Call as the others do, and is listed here")
	for _, driver := range drivers {
		require.Contains(t, p.advancing, driver)
	}
	// The simulator hands the questions of a Call on to the process at work, and asks a budget and
	// a strategy by themselves whether they have an end. A Pace is of loops, not of calls.
	require.Equal(t, []string{"bench/fleet/bounded.go", "bench/fleet/callers.go"}, p.asking, "only a Call asks a budget")
	require.Equal(t, []string{"bench/fleet/bounded.go", "bench/fleet/loop.go", "retry/pace.go"}, p.delaying,
		"only a Call computes the wait before a retry")
}

func findPaths(t *testing.T) (p paths) {
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && isModule(root, path):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(root, path)
		require.NoError(t, err)
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
		require.NoError(t, err)
		p.add(path, file)
		return nil
	})
	require.NoError(t, err)
	slices.Sort(p.holding)
	p.holding = slices.Compact(p.holding)
	p.asking, p.delaying = slices.Compact(p.asking), slices.Compact(p.delaying)
	return p
}

// isModule reports whether a directory is a module of its own, or no part of the program.
func isModule(root fs.FS, dir string) bool {
	_, err := fs.Stat(root, dir+"/go.mod")
	return err == nil || strings.HasPrefix(filepath.Base(dir), ".")
}

func (p *paths) add(path string, file *ast.File) {
	dir := filepath.Dir(path)
	if dir == "call" {
		return
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "call" && n.Sel.Name == "Call" {
				p.holding = append(p.holding, dir)
			}
		case *ast.CallExpr:
			f, ok := n.Fun.(*ast.SelectorExpr)
			switch {
			case !ok:
			case f.Sel.Name == "Next" && len(n.Args) == 1:
				p.advancing = append(p.advancing, dir)
			case dir != "budget" && slices.Contains([]string{"Admit", "Ask", "Hopeless"}, f.Sel.Name):
				p.asking = append(p.asking, path)
			case !strings.HasPrefix(dir, "backoff") && f.Sel.Name == "Delay":
				p.delaying = append(p.delaying, path)
			}
		}
		return true
	})
}
