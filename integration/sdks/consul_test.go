package sdks_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	consul "github.com/hashicorp/consul/api"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func newConsul() (*consul.Client, error) {
	// docs/sdks.md#consul
	quick := retry.Must(retry.New(retry.Config{AttemptTimeout: timeout.Fixed(2 * time.Second)}))
	slow := retry.Must(retry.New(retry.Config{})) // a blocking query takes minutes when all is well
	isBlocking := func(req *http.Request) bool { return req.URL.Query().Has("index") }
	client, err := consul.NewClient(&consul.Config{HttpClient: &http.Client{Transport: httpx.NewTransport(nil, quick,
		httpx.WithPolicyFunc(func(req *http.Request) *retry.Policy {
			if isBlocking(req) {
				return slow
			}
			return quick
		}))}})
	// end
	return client, err
}

func bareConsul() (*consul.Client, error) {
	return consul.NewClient(&consul.Config{HttpClient: &http.Client{}})
}

func getKey(c *consul.Client, err error) fakenet.Call {
	return func(ctx context.Context) error {
		if err != nil {
			return err
		}
		_, _, err := c.KV().Get("key", (&consul.QueryOptions{}).WithContext(ctx))
		return err
	}
}

func TestConsul(t *testing.T) {
	fakenet.HTTP(t, "consul", unavailable, fakenet.Answer(http.StatusOK, `[]`),
		fakenet.Way{Label: fakenet.Bare, Call: func(ctx context.Context) error { return getKey(bareConsul())(ctx) }},
		fakenet.Way{Label: fakenet.Evenkeel, Call: func(ctx context.Context) error { return getKey(newConsul())(ctx) }},
	)
}

// A blocking query is slow when all is well: its policy has no attempt timeout, so that it is sent
// once and answered after its four minutes. The other policy sends it again and again.
func TestConsul_BlockingQuery(t *testing.T) {
	quick := retry.Config{AttemptTimeout: timeout.Fixed(2 * time.Second)}
	for name, test := range map[string]struct {
		of       func(t *testing.T) (*consul.Client, error)
		requests int
	}{
		"the lines": {func(*testing.T) (*consul.Client, error) { return newConsul() }, 1},
		"the policy for long polls": {func(t *testing.T) (*consul.Client, error) {
			return consulWith(fakenet.Ready(t, "A long poll"))
		}, 1},
		"one policy": {func(*testing.T) (*consul.Client, error) { return consulWith(retry.Must(retry.New(quick))) }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := fakenet.Serve(t, 0, nil, func(w http.ResponseWriter, r *http.Request) {
					select {
					case <-time.After(4 * time.Minute):
						w.Header().Set("X-Consul-Index", "8")
						fakenet.Answer(http.StatusOK, `[]`)(w, r)
					case <-r.Context().Done():
					}
				})
				c, err := test.of(t)
				require.NoError(t, err)
				err = fakenet.Deadline(t, func(ctx context.Context) error {
					o := &consul.QueryOptions{WaitIndex: 7, WaitTime: 4 * time.Minute}
					_, _, err := c.KV().Get("key", o.WithContext(ctx))
					return err
				})
				require.Len(t, s.Requests(), test.requests)
				require.Equal(t, test.requests > 1, err != nil, "%v", err)
			})
		})
	}
}

func consulWith(policy *retry.Policy) (*consul.Client, error) {
	return consul.NewClient(&consul.Config{HttpClient: &http.Client{Transport: httpx.NewTransport(nil, policy)}})
}
