//go:build largesdks

package largesdks_test

import (
	"net/http"

	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

var unavailable = fakenet.Answer(http.StatusServiceUnavailable, `{"error": {"message": "busy", "type": "api_error"}}`)

// newPolicy makes the policy that the README has: the zero Config.
func newPolicy() *retry.Policy { return retry.Must(retry.New(retry.Config{})) }
