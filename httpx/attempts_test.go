package httpx_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
)

func TestAttemptsFrom_CountsSent(t *testing.T) {
	for name, c := range map[string]struct {
		codes []int
		want  int
		code  int
	}{
		"at once":           {nil, 1, 200},
		"a refusal":         {[]int{404}, 1, 404},
		"after a failure":   {[]int{503}, 2, 200},
		"after two":         {[]int{503, 500}, 3, 200},
		"a refusal at last": {[]int{503, 404}, 2, 404},
		"never":             {many(3, 503), 3, 503},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.codes...)
			req := request(t, http.MethodGet, s.URL, nil)
			before := req.Context()
			resp, err := client(t, policy(t, nil)).Do(req)
			require.NoError(t, err)
			require.Equal(t, c.code, resp.StatusCode)
			require.Equal(t, c.want, httpx.AttemptsFrom(resp))
			text(t, resp)
			require.Equal(t, before, req.Context(), "the caller's request is not changed")
			_, reported := httpx.ReportFrom(resp.Request.Context())
			require.Equal(t, c.code >= 400 && c.want > 1, reported)
		})
	}
	require.Equal(t, 1, httpx.AttemptsFrom(nil))
	require.Equal(t, 1, httpx.AttemptsFrom(&http.Response{}))
}

// A request made with the context of a response is a call of its own.
func TestAttemptsFrom_NotInherited(t *testing.T) {
	s := serve(t, 503)
	c := client(t, policy(t, nil))
	first, err := c.Get(s.URL)
	require.NoError(t, err)
	text(t, first)
	require.Equal(t, 2, httpx.AttemptsFrom(first))
	second, err := c.Do(request(t, http.MethodGet, s.URL, nil).WithContext(first.Request.Context()))
	require.NoError(t, err)
	text(t, second)
	require.Equal(t, 1, httpx.AttemptsFrom(second))
}

func TestAttemptsFrom_HedgesCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		c := pipeClient(t, plan(&sent, []int{200, 200}, time.Hour, 0), hedging(t, nil))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		resp, err := c.Do(request(t, http.MethodGet, "http://pipe/", nil).WithContext(ctx))
		require.NoError(t, err)
		require.Equal(t, 2, httpx.AttemptsFrom(resp))
		text(t, resp)
	})
}
