package fakenet

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/retry"
)

// Ready returns the policy that docs/sdks.md has as JSON under a heading of its last section.
func Ready(t *testing.T, heading string) *retry.Policy {
	t.Helper()
	page, err := os.ReadFile("../../docs/sdks.md")
	require.NoError(t, err)
	_, text, found := strings.Cut(string(page), "\n### "+heading+"\n")
	require.True(t, found, "docs/sdks.md has no policy %s", heading)
	_, text, _ = strings.Cut(text, "```json\n")
	text, _, _ = strings.Cut(text, "```\n")
	cfg, err := retry.ParseConfig([]byte(text))
	require.NoError(t, err)
	policy, err := retry.New(cfg)
	require.NoError(t, err)
	return policy
}
