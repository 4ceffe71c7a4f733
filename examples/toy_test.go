package examples_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// docs/migrating.md shows these figures to who tries a policy on a server that always fails.
func TestMigrating_BudgetUnderFailingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent, code := 0, http.StatusInternalServerError
		server := roundTripper(func(*http.Request) (*http.Response, error) {
			sent++
			return &http.Response{StatusCode: code, Body: http.NoBody}, nil
		})
		client := &http.Client{Transport: httpx.NewTransport(server, nil)}
		get := func() (attempts int) {
			before := sent
			_, err := client.Get("http://example.com/")
			require.NoError(t, err)
			return sent - before
		}
		var http5 []int
		for range 5 {
			http5 = append(http5, get())
		}
		var do5 []int
		policy := retry.Must(retry.New(retry.Config{}))
		for range 5 {
			n := 0
			_ = retry.Do(t.Context(), policy, func(context.Context) error { n++; return errors.New("down") })
			do5 = append(do5, n)
		}
		require.Equal(t, []int{3, 1, 1, 1, 1}, http5)
		require.Equal(t, []int{3, 2, 2, 1, 1}, do5)

		for _, c := range []struct{ successes, attempts int }{{3, 1}, {4, 3}} {
			code = http.StatusOK
			for range c.successes {
				get()
			}
			code = http.StatusInternalServerError
			require.Equal(t, c.attempts, get(), "after %d successes in a row", c.successes)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
