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

// The policy for APIs with rate limits waits as long as GitHub asks for, and gives up with the
// answer at once if that is longer than two minutes.
func TestGitHub_RateLimit(t *testing.T) {
	for name, test := range map[string]struct {
		asks     string
		least    time.Duration
		requests int
	}{
		"30 s":       {"30", 30 * time.Second, 2},
		"10 minutes": {"600", 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limited := func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Retry-After", test.asks)
					fakenet.Answer(http.StatusTooManyRequests, `{"message": "You have exceeded a secondary rate limit."}`)(w, r)
				}
				s := fakenet.Serve(t, 1, limited, fakenet.Answer(http.StatusOK, `{"id": 1}`))
				start := time.Now()
				err := fakenet.Deadline(t, func(ctx context.Context) error {
					return getRepository(ctx, newGitHub(fakenet.Ready(t, "A rate-limited API")))
				})
				require.Len(t, s.Requests(), test.requests)
				require.GreaterOrEqual(t, time.Since(start), test.least)
				if test.requests == 2 {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, "You have exceeded a secondary rate limit.")
				require.Zero(t, time.Since(start))
			})
		})
	}
}
