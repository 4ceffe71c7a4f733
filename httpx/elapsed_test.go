package httpx_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestMaxElapsed_ReturnsLastResponse(t *testing.T) {
	for name, hedge := range map[string]timeout.Spec{"in turn": nil, "hedged": timeout.Fixed(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := policy(t, func(c *retry.Config) {
					c.MaxAttempts, c.MaxElapsed, c.Budget, c.Hedge = retry.Unlimited, 10*time.Second, budget.Unlimited{}, hedge
					c.Backoff, c.ThrottledBackoff = backoff.Constant(time.Second), backoff.Constant(time.Second)
				})
				c := pipeClient(t, func(w http.ResponseWriter, _ *http.Request) {
					time.Sleep(2 * time.Second)
					w.WriteHeader(http.StatusServiceUnavailable)
				}, p)
				start := time.Now()
				resp, err := c.Get("http://pipe/")
				require.NoError(t, err)
				require.Equal(t, 503, resp.StatusCode)
				text(t, resp)
				report, ok := httpx.ReportFrom(resp.Request.Context())
				require.True(t, ok)
				require.Equal(t, retry.ReasonMaxElapsed, report.Reason)
				require.Equal(t, 4, report.Attempts, "sent after 0, 3, 6 and 9 seconds")
				require.Equal(t, 11*time.Second, time.Since(start))
			})
		})
	}
}
