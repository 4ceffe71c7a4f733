package httpx_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestReport_OlderCallNotCountedAgain(t *testing.T) {
	s := serve(t, 503, 503, 503, 503, 200)
	c := client(t, policy(t, func(c *retry.Config) { c.Budget = budget.Unlimited{} }))
	resp, err := c.Get(s.URL)
	require.NoError(t, err)
	require.Equal(t, 503, resp.StatusCode)
	text(t, resp)
	again, err := c.Do(resp.Request)
	require.NoError(t, err)
	require.Equal(t, 200, again.StatusCode)
	text(t, again)
}
