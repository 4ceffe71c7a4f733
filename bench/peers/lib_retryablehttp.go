package main

import (
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// retryable returns a client with its own policy, and its own way to hand over the last response.
// Its default backoff obeys Retry-After; with both bounds the same it waits that long otherwise.
func retryable(r rules, base http.RoundTripper) *retryablehttp.Client {
	c := retryablehttp.NewClient()
	c.HTTPClient = &http.Client{Transport: base}
	c.Logger = nil
	c.RetryMax, c.RetryWaitMin, c.RetryWaitMax = r.attempts-1, r.delay, r.delay
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler
	return c
}

var retryablehttpLibrary = &library{
	name:   "go-retryablehttp",
	module: "github.com/hashicorp/go-retryablehttp",
	http: func(r rules, base http.RoundTripper) http.RoundTripper {
		return &retryablehttp.RoundTripper{Client: retryable(r, base)}
	},
	delay: func(base, limit time.Duration) func(int) time.Duration {
		return func(n int) time.Duration { return retryablehttp.DefaultBackoff(base, limit, n-1, nil) }
	},
}
