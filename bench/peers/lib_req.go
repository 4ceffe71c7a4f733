package main

import (
	"context"
	"net/http"
	"time"

	"github.com/imroc/req/v3"
)

// reqClient retries errors and the statuses 429 and 5xx: the library leaves the condition to its
// user. It works over base instead of the Transport that it brings, so that all libraries send
// with the same.
func reqClient(r rules, base http.RoundTripper) *req.Client {
	c := req.C().
		SetLogger(nil).
		SetCommonRetryCount(r.attempts - 1).
		SetCommonRetryFixedInterval(r.delay).
		SetCommonRetryCondition(func(resp *req.Response, err error) bool {
			return err != nil || resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500
		})
	if r.timeout > 0 {
		c.SetTimeout(r.timeout) // of an attempt
	}
	c.GetTransport().WrapRoundTripFunc(func(http.RoundTripper) req.HttpRoundTripFunc { return base.RoundTrip })
	return c
}

// reqTrip serves as a RoundTripper by sending each request with a req client, for cases that look
// at an http.Response.
type reqTrip struct{ client *req.Client }

// RoundTrip sends the request and returns the response, which the client has read.
func (t reqTrip) RoundTrip(in *http.Request) (*http.Response, error) {
	r := t.client.R().SetContext(in.Context())
	r.Headers = in.Header.Clone()
	switch {
	case in.Body == nil || in.Body == http.NoBody:
	case in.GetBody != nil:
		body, err := bodyOf(in)
		if err != nil {
			return nil, err
		}
		r.SetBodyBytes(body)
	default:
		r.SetBody(in.Body)
	}
	resp, err := r.Send(in.Method, in.URL.String())
	switch {
	case err != nil:
		return nil, inner(err)
	case resp.Response == nil:
		return nil, errNoResponse
	}
	return resp.Response, nil
}

var reqLibrary = &library{
	name:   "req",
	module: "github.com/imroc/req/v3",
	http: func(r rules, base http.RoundTripper) http.RoundTripper {
		return reqTrip{reqClient(r, base)}
	},
	client: func(r rules, base http.RoundTripper, timeout time.Duration) sender {
		c := reqClient(r, base).SetTimeout(timeout)
		return func(ctx context.Context, method, url string, body []byte) (int, error) {
			r := c.R().SetContext(ctx)
			if body != nil {
				r.SetBodyBytes(body)
			}
			resp, err := r.Send(method, url)
			switch {
			case err != nil:
				return 0, err
			case resp.Response == nil:
				return 0, errNoResponse
			}
			return resp.StatusCode, nil
		}
	},
	attemptTimeout: true,
}
