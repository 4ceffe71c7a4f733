package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

// sender sends one request as a user of a library writes it, reads the answer to its end, and
// returns the status.
type sender func(ctx context.Context, method, url string, body []byte) (status int, err error)

// clientOf returns what a library's users send requests with: the library's own client, or an
// http.Client over its RoundTripper. A timeout of zero is none. It is nil if the library has
// neither.
func (l *library) clientOf(r rules, base http.RoundTripper, timeout time.Duration) sender {
	switch {
	case l.client != nil:
		return l.client(r, base, timeout)
	case l.http != nil:
		return httpSender(&http.Client{Transport: l.http(r, base), Timeout: timeout})
	}
	return nil
}

// httpSender returns a sender of an http.Client. A body that http.NewRequest knows can be sent
// again.
func httpSender(c *http.Client) sender {
	return func(ctx context.Context, method, url string, body []byte) (int, error) {
		var from io.Reader
		if body != nil {
			from = bytes.NewReader(body)
		}
		req, err := http.NewRequestWithContext(ctx, method, url, from)
		if err != nil {
			return 0, err
		}
		resp, err := c.Do(req)
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode, err
	}
}

// inner returns the error that a RoundTripper would have returned, of one that a client wrapped.
func inner(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}

// errNoResponse is for clients that return neither a response nor an error.
var errNoResponse = errors.New("neither a response nor an error")

// bodyOf returns the body of a request, for libraries that take it as bytes.
func bodyOf(req *http.Request) ([]byte, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return nil, nil
	}
	defer req.Body.Close()
	return io.ReadAll(req.Body)
}
