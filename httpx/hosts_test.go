package httpx_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestAHostInUseIsNotForgottenForManyThatAreSeenOnce(t *testing.T) {
	p := policy(t, nil, retry.WithMaxDestinations(100))
	rt := httpx.NewTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
	}), p)
	get := func(host string) {
		req, err := http.NewRequest(http.MethodGet, "http://"+host+"/", nil)
		require.NoError(t, err)
		_, err = rt.RoundTrip(req)
		require.NoError(t, err)
	}
	get("busy.test")
	busy := p.For("busy.test")
	for i := range 5000 {
		get("busy.test")
		get(fmt.Sprintf("%d.test", i))
	}
	require.Same(t, busy, p.For("busy.test"), "its budget would be a new one")
}
