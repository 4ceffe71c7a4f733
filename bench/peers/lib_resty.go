package main

import (
	"context"
	"net/http"
	"time"

	"resty.dev/v3"
)

// restyClient retries by the conditions that its documentation lists: the statuses 429 and 5xx,
// and no response.
func restyClient(r rules, base http.RoundTripper) *resty.Client {
	c := resty.New().
		SetTransport(base).
		SetLogger(silent{}).
		SetRetryCount(r.attempts-1).
		SetRetryWaitTime(r.delay).
		SetRetryMaxWaitTime(r.delay).
		AddRetryConditions(
			resty.RetryConditionStatus5XX, resty.RetryConditionStatusTooManyRequests, resty.RetryConditionStatusZero,
		)
	if r.timeout > 0 {
		c.SetTimeout(r.timeout)
	}
	return c
}

// silent is a logger that writes nothing.
type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Debugf(string, ...any) {}

// restyTrip serves as a RoundTripper by sending each request with a resty client, for cases that
// look at an http.Response. Each request is written as its user would: a body that can be
// repeated as bytes, any other as a stream, and a request with a key as one that may be retried.
type restyTrip struct{ client *resty.Client }

// RoundTrip sends the request and returns the response unread.
func (t restyTrip) RoundTrip(req *http.Request) (*http.Response, error) {
	r := t.client.R().
		SetContext(req.Context()).
		SetHeaderMultiValues(req.Header).
		SetResponseDoNotParse(true).
		SetRetryAllowNonIdempotent(t.client.IsRetryAllowNonIdempotent() || req.Header.Get("Idempotency-Key") != "")
	switch {
	case req.Body == nil || req.Body == http.NoBody:
	case req.GetBody != nil:
		body, err := bodyOf(req)
		if err != nil {
			return nil, err
		}
		r.SetBody(body)
	default:
		r.SetBody(req.Body)
	}
	resp, err := r.Execute(req.Method, req.URL.String())
	switch {
	case err != nil:
		return nil, inner(err)
	case resp.RawResponse == nil:
		return nil, errNoResponse
	}
	return resp.RawResponse, nil
}

var restyLibrary = &library{
	name:   "resty",
	module: "resty.dev/v3",
	http: func(r rules, base http.RoundTripper) http.RoundTripper {
		return restyTrip{restyClient(r, base)}
	},
	client: func(r rules, base http.RoundTripper, timeout time.Duration) sender {
		c := restyClient(r, base)
		if timeout > 0 {
			c.SetTimeout(timeout) // of an attempt: it has none for the call
		}
		return func(ctx context.Context, method, url string, body []byte) (int, error) {
			r := c.R().SetContext(ctx)
			if body != nil {
				r.SetBody(body)
			}
			resp, err := r.Execute(method, url)
			if err != nil {
				return 0, err
			}
			return resp.StatusCode(), nil
		}
	},
	attemptTimeout: true,
}
