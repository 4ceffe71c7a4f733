package call_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/call"
)

// There is one way to advance a call. What the simulator proves is proved of production because
// both use it.
func TestThereIsNoSecondPath(t *testing.T) {
	machine := reflect.TypeFor[*call.Call]()
	var methods []string
	for i := range machine.NumMethod() {
		methods = append(methods, machine.Method(i).Name)
	}
	require.Equal(t, []string{"Cancel", "Done", "Next", "Planned", "Report"}, methods)
	for i := range machine.Elem().NumField() {
		require.False(t, machine.Elem().Field(i).IsExported(), "a driver could look into a Call")
	}

	asks := regexp.MustCompile(`\.(Admit|Ask|Hopeless)\(`)
	advances := regexp.MustCompile(`\.Next\((now|s\.now|s\.time|occStart|hedgeStart)`)
	var asking, advancing []string
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == "bench/peers" || strings.HasPrefix(d.Name(), ".") && path != "."):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		if dir := filepath.Dir(path); dir != "budget" && dir != "call" && asks.Match(text) {
			asking = append(asking, path)
		}
		if advances.Match(text) {
			advancing = append(advancing, filepath.Dir(path))
		}
		return nil
	})
	require.NoError(t, err)
	// The simulator hands the questions of a Call on to the process at work, and asks a budget by
	// itself whether it has an end.
	require.Equal(t, []string{"bench/fleet/bounded.go", "bench/fleet/callers.go"}, asking, "only a Call asks a budget")
	for _, driver := range []string{"internal/drive", "grpcx", "bench/fleet"} {
		require.Contains(t, advancing, driver)
	}
	for _, user := range []string{"retry", "httpx"} { // Do, DoValue and HTTP go through internal/drive
		require.False(t, slices.Contains(advancing, user), user)
	}
}
