package httpx_test

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
)

// inTurn answers with one status after the other; 0 is a refused connection.
func inTurn(codes ...int) http.RoundTripper {
	return roundTripFunc(func(*http.Request) (*http.Response, error) {
		code := codes[0]
		codes = codes[1:]
		if code == 0 {
			return nil, refusedDial()
		}
		return &http.Response{StatusCode: code, Body: http.NoBody}, nil
	})
}

func TestStatus_InObserversAndErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &testkit.Watcher{}
		p := retry.Must(retry.New(retry.Config{}, retry.WithObserver(w)))
		client := &http.Client{Transport: httpx.NewTransport(inTurn(503, 0, 502), p)}
		resp, err := client.Get("http://example.com/?card=SECRET")
		require.NoError(t, err)
		var got []string
		for _, a := range w.Attempts {
			got = append(got, a.Status)
			require.NotContains(t, a.String(), "SECRET")
		}
		require.Equal(t, []string{"HTTP 503", "", "HTTP 502"}, got)

		stopped, ok := httpx.ReportFrom(resp.Request.Context())
		require.True(t, ok)
		require.EqualError(t, stopped, "HTTP 502 (evenkeel: max_attempts after 3 attempts)")
		require.Equal(t, "attempt 1: HTTP 503 (throttled)", stopped.History[0].String())
		require.Equal(t, "attempt 2: dial tcp: connect: connection refused (unprocessed)", stopped.History[1].String())
		require.Equal(t, "attempt 3: HTTP 502 (transient)", stopped.History[2].String())
	})
}

func TestStatus_OfSuccess(t *testing.T) {
	w := &testkit.Watcher{}
	p := retry.Must(retry.New(retry.Config{}, retry.WithObserver(w)))
	client := &http.Client{Transport: httpx.NewTransport(inTurn(200, 204), p)}
	for _, want := range []string{"HTTP 200", "HTTP 204"} {
		_, err := client.Get("http://example.com/")
		require.NoError(t, err)
		require.Equal(t, want, w.Attempts[len(w.Attempts)-1].Status)
	}
}
