package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/retry"
)

const sdks = "../docs/sdks.md"

// TestSDKs_BlocksTested requires that each Go block of docs/sdks.md is in a test of
// integration/, between "// docs/sdks.md#section" and "// end", and the reverse: the modules there
// compile and run it.
func TestSDKs_BlocksTested(t *testing.T) {
	page, err := os.ReadFile(sdks)
	require.NoError(t, err)
	inPage, inTests := map[string][]string{}, map[string][]string{}
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		title, text, _ := strings.Cut(section, "\n")
		for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```\n").FindAllStringSubmatch(text, -1) {
			inPage[title] = append(inPage[title], block[1])
		}
	}
	files, err := filepath.Glob("../integration/*/*_test.go")
	require.NoError(t, err)
	marked := regexp.MustCompile(`(?s)\n(\t+)// docs/sdks\.md#([^\n]+)\n(.*?)\n\t+// end\n`)
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, block := range marked.FindAllStringSubmatch(string(source), -1) {
			indent, title, text := block[1], block[2], "\n"+block[3]
			inTests[title] = append(inTests[title], strings.ReplaceAll(text, "\n"+indent, "\n")[1:]+"\n")
		}
	}
	require.GreaterOrEqual(t, len(inPage), 20)
	require.Equal(t, inPage, inTests)
}

// TestSDKs_HaveVersionAndTable requires that a section names the version of its module that a
// go.mod of integration/ requires.
func TestSDKs_HaveVersionAndTable(t *testing.T) {
	page, err := os.ReadFile(sdks)
	require.NoError(t, err)
	required := ""
	files, err := filepath.Glob("../integration/*/go.mod")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		required += string(text)
	}
	sections := strings.Split(string(page), "\n## ")[1:]
	versions := regexp.MustCompile("`([a-z0-9.-]+/[^` ]+|secretmanager)` (v[0-9.]+[0-9])")
	for _, section := range sections {
		title, text, _ := strings.Cut(section, "\n")
		if title == "Ready policies" {
			continue
		}
		require.Contains(t, text, "\n| - | - |", title)
		found := versions.FindAllStringSubmatch(text, -1)
		if title == "database/sql" {
			continue // of the standard library
		}
		require.NotEmpty(t, found, "%s names no version", title)
		for _, v := range found {
			require.Regexp(t, regexp.QuoteMeta(v[1])+`\S* `+regexp.QuoteMeta(v[2])+`\n`, required, title)
		}
	}
}

func TestSDKs_ReadyPoliciesValid(t *testing.T) {
	page, err := os.ReadFile(sdks)
	require.NoError(t, err)
	_, ready, found := strings.Cut(string(page), "\n## Ready policies\n")
	require.True(t, found)
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```\n").FindAllStringSubmatch(ready, -1)
	require.Len(t, blocks, 4)
	for _, block := range blocks {
		cfg, err := retry.ParseConfig([]byte(block[1]))
		require.NoError(t, err)
		_, err = retry.New(cfg)
		require.NoError(t, err)
		require.Nil(t, cfg.Hedge, "what costs money or waits by design is not hedged")
	}
}
