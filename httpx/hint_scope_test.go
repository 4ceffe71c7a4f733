package httpx_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// limited answers the first request of each tenant with 429 and a wait of ten seconds.
func limited(sent *atomic.Int32) http.HandlerFunc {
	seen := map[string]bool{}
	return func(w http.ResponseWriter, r *http.Request) {
		sent.Add(1)
		if tenant := r.Header.Get("X-Tenant"); !seen[tenant] {
			seen[tenant] = true
			w.Header().Set("Retry-After", "10")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}
}

func tenantOf(r *http.Request) string { return r.Header.Get("X-Tenant") }

func TestHintScope_429DelaysCallsOfTenant(t *testing.T) {
	for name, hedge := range map[string]timeout.Spec{"in turn": nil, "hedged": timeout.Fixed(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent atomic.Int32
				p := policy(t, func(c *retry.Config) { c.HintScope, c.Hedge, c.MaxAttempts = "destination", hedge, 2 },
					retry.WithRand(func() float64 { return 0 }))
				c := pipeClient(t, limited(&sent), p, httpx.WithHintKey(tenantOf))
				get := func(ctx context.Context, tenant string) (int, error) {
					req := request(t, http.MethodPut, "http://pipe/", strings.NewReader("x")).WithContext(ctx)
					req.Header.Set("X-Tenant", tenant)
					resp, err := c.Do(req)
					if err != nil {
						return 0, err
					}
					text(t, resp)
					return resp.StatusCode, nil
				}
				start := time.Now()
				first := make(chan int)
				go func() {
					code, _ := get(t.Context(), "a")
					first <- code
				}()
				synctest.Wait()
				require.EqualValues(t, 1, sent.Load())

				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				_, err := get(ctx, "a")
				require.ErrorContains(t, err, "evenkeel: paused after 0 attempts")
				require.EqualValues(t, 1, sent.Load())
				require.Zero(t, time.Since(start))

				code, err := get(t.Context(), "a")
				require.NoError(t, err)
				require.Equal(t, 200, code)
				require.Equal(t, 10*time.Second, time.Since(start))
				require.Equal(t, 200, <-first)
				require.EqualValues(t, 3, sent.Load())

				go get(t.Context(), "b")
				synctest.Wait()
				_, err = get(t.Context(), "a")
				require.NoError(t, err)
				require.Equal(t, 10*time.Second, time.Since(start), "another tenant's")
				time.Sleep(time.Minute)
			})
		})
	}
}

func TestHintScope_KeyWithoutScopePanics(t *testing.T) {
	p := policy(t, nil)
	defer func() { require.Contains(t, recover(), "WithHintKey") }()
	httpx.NewTransport(nil, p, httpx.WithPolicyFunc(func(*http.Request) *retry.Policy { return nil }), httpx.WithHintKey(tenantOf))
	httpx.NewTransport(nil, p, httpx.WithHintKey(tenantOf))
}

// A key that nothing needs is not asked for, also not after the first attempt, whose response
// would be lost if the function panicked.
func TestHintScope_KeyCalledOnlyWithScope(t *testing.T) {
	body := io.NopCloser(strings.NewReader("busy"))
	tr := httpx.NewTransport(base(func(*http.Request) (*http.Response, error) { return reply(404, body), nil }),
		policy(t, nil), httpx.WithPolicyFunc(func(*http.Request) *retry.Policy { return nil }),
		httpx.WithHintKey(func(*http.Request) string { panic("boom") }))
	resp, err := tr.RoundTrip(request(t, http.MethodGet, "http://h/", nil))
	require.NoError(t, err)
	require.Equal(t, "busy", text(t, resp))
}
