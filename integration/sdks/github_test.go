package sdks_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-github/v84/github"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

func newGitHub(policy *retry.Policy) *github.Client {
	// docs/sdks.md#go-github
	client := github.NewClient(&http.Client{Transport: httpx.NewTransport(nil, policy)})
	// end
	return client
}

func getRepository(ctx context.Context, c *github.Client) error {
	_, _, err := c.Repositories.Get(ctx, "evenkeel-go", "evenkeel")
	return err
}

func TestGitHub(t *testing.T) {
	answer := fakenet.Answer(http.StatusOK, `{"id": 1}`)
	fakenet.HTTP(t, "go-github", unavailable, answer,
		fakenet.Way{Label: fakenet.Bare, Call: func(ctx context.Context) error {
			return getRepository(ctx, github.NewClient(nil))
		}},
		fakenet.Way{Label: fakenet.Evenkeel, Call: func(ctx context.Context) error {
			return getRepository(ctx, newGitHub(newPolicy()))
		}},
	)
}

// GitHub's rate limit: 429 with the time since 1970 at which it ends.
func TestGitHub_RateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limited := func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "30")
			fakenet.Answer(http.StatusTooManyRequests, `{"message": "You have exceeded a secondary rate limit."}`)(w, nil)
		}
		s := fakenet.Serve(t, 1, limited, fakenet.Answer(http.StatusOK, `{"id": 1}`))
		start := time.Now()
		require.NoError(t, fakenet.Deadline(t, func(ctx context.Context) error {
			return getRepository(ctx, newGitHub(newPolicy()))
		}))
		require.Len(t, s.Requests(), 2)
		require.GreaterOrEqual(t, time.Since(start), 30*time.Second)
	})
}
