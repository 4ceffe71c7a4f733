package evenkeel_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel"
)

// The changelog's newest heading is the constant's version, or Unreleased for one that ends in
// -dev.
func TestVersion_AgreesWithTheChangelog(t *testing.T) {
	text, err := os.ReadFile("CHANGELOG.md")
	require.NoError(t, err)
	heading := regexp.MustCompile(`(?m)^## \[([^\]]+)\]`).FindSubmatch(text)
	require.Len(t, heading, 2)
	newest := string(heading[1])
	if strings.HasSuffix(evenkeel.Version, "-dev") {
		require.Equal(t, "Unreleased", newest)
		return
	}
	require.Equal(t, newest, evenkeel.Version)
}
