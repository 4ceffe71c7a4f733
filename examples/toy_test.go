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
		sent := 0
		down := roundTripper(func(*http.Request) (*http.Response, error) {
			sent++
			return &http.Response{StatusCode: http.StatusInternalServerError, Body: http.NoBody}, nil
		})
		client := &http.Client{Transport: httpx.NewTransport(down, nil)}
		var http5 []int
		for range 5 {
			before := sent
			_, err := client.Get("http://example.com/")
			require.NoError(t, err)
			http5 = append(http5, sent-before)
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
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
