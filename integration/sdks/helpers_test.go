package sdks_test

import (
	"net/http"
	"testing"

	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

var unavailable = fakenet.Answer(http.StatusServiceUnavailable, `{"error": {"message": "busy", "type": "api_error"}}`)

// newPolicy makes the policy that the page's README has: the zero Config.
func newPolicy() *retry.Policy { return retry.Must(retry.New(retry.Config{})) }

// skipShort leaves a test out of the named sample that CI runs: go-github, oauth2, Prometheus,
// Consul and azcore.
func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short runs go-github, oauth2, Prometheus, Consul and azcore")
	}
}
