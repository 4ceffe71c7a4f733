package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// command finds the go test commands with a pattern in a page.
var command = regexp.MustCompile("go test ((?:-\\w+ )*)((?:\\./\\S+ )+)-run ('[^']+'|\"[^\"]+\"|[^\\s'\"`]+)")

// TestDocs_NamedTestsExist checks that each alternative of a pattern in an ADR or
// in the table of laws matches a test, example or fuzzer of the packages beside it.
func TestDocs_NamedTestsExist(t *testing.T) {
	pages, err := filepath.Glob("../docs/adr/*.md")
	require.NoError(t, err)
	require.Greater(t, len(pages), 25)
	found := 0
	for _, page := range append(pages, "../docs/architecture.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		joined := strings.Join(strings.Fields(string(text)), " ")
		for _, c := range command.FindAllStringSubmatch(joined, -1) {
			names := testNames(t, strings.Fields(c[2]))
			for alternative := range strings.SplitSeq(strings.Trim(c[3], `'"`), "|") {
				found++
				require.Regexp(t, alternative, names, "%s: no test of %s matches %s", filepath.Base(page), c[2], alternative)
			}
		}
	}
	require.Greater(t, found, 50)
}

// testNames returns the names of the tests of some packages, a line each.
func testNames(t *testing.T, patterns []string) string {
	t.Helper()
	var names strings.Builder
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example)\w*)`)
	for _, pattern := range patterns {
		dir, recursive := strings.CutSuffix(pattern, "...")
		err := filepath.WalkDir(filepath.Join("..", dir), func(path string, entry os.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && path != filepath.Join("..", dir) && !recursive:
				return filepath.SkipDir
			case entry.IsDir() || !strings.HasSuffix(path, "_test.go"):
				return nil
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, match := range function.FindAllStringSubmatch(string(text), -1) {
				names.WriteString(match[1] + "\n")
			}
			return nil
		})
		require.NoError(t, err)
	}
	return names.String()
}

// TestDocs_EachLawHasFilesAndTests checks that the table of laws has a row for each law, that
// the files it names exist, and that each row names a test.
func TestDocs_EachLawHasFilesAndTests(t *testing.T) {
	page, err := os.ReadFile("../docs/architecture.md")
	require.NoError(t, err)
	_, laws, found := strings.Cut(string(page), "## Laws")
	require.True(t, found)
	laws, table, found := strings.Cut(laws, "| law | lives in | held by |")
	require.True(t, found)
	numbers := regexp.MustCompile(`(?m)^(\d+)\. `).FindAllStringSubmatch(laws, -1)
	require.GreaterOrEqual(t, len(numbers), 12)
	rows := regexp.MustCompile(`(?m)^\| (\d+) \| (.+) \| (.+) \|$`).FindAllStringSubmatch(table, -1)
	require.Len(t, rows, len(numbers))
	for i, row := range rows {
		require.Equal(t, numbers[i][1], row[1])
		for place := range strings.SplitSeq(row[2], ", ") {
			_, err := os.Stat(filepath.Join("..", place))
			require.NoError(t, err, "law %s", row[1])
		}
		require.Regexp(t, command, row[3], "law %s", row[1])
	}
}
