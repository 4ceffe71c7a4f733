package main

import (
	"context"
	"io"
	"net/http"
	"time"

	"google.golang.org/grpc"
)

// handHedge sends two attempts on goroutines of their own, each with a context, and has a timer:
// no hedge can do without. It neither retries nor has a budget, and does not wait for the loser.
type handHedge struct {
	base  http.RoundTripper
	delay time.Duration
}

// tripped holds the result of an attempt.
type tripped struct {
	resp   *http.Response
	err    error
	cancel context.CancelFunc
}

// RoundTrip sends the request, and again if it is not answered soon. The first answer wins.
func (h handHedge) RoundTrip(req *http.Request) (*http.Response, error) {
	results := make(chan tripped, 2)
	send := func() context.CancelFunc {
		ctx, cancel := context.WithCancel(req.Context())
		go func() {
			resp, err := h.base.RoundTrip(req.WithContext(ctx))
			results <- tripped{resp, err, cancel}
		}()
		return cancel
	}
	first := send()
	timer := time.NewTimer(h.delay)
	defer timer.Stop()
	var won tripped
	select {
	case won = <-results:
	case <-timer.C:
		send()
		won = <-results
		if won.resp != nil {
			first()
		}
	}
	if won.resp != nil {
		won.resp.Body = &endsContext{won.resp.Body, won.cancel}
	}
	return won.resp, won.err
}

// endsContext ends the context of a winner when its body is closed.
type endsContext struct {
	io.ReadCloser
	cancel context.CancelFunc
}

// Close closes the body and ends its context.
func (e *endsContext) Close() error {
	defer e.cancel()
	return e.ReadCloser.Close()
}

// handHedgeUnary returns the same for unary calls that need no reply.
func handHedgeUnary(delay time.Duration) grpc.UnaryClientInterceptor {
	return func(
		ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
	) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		results := make(chan error, 2)
		send := func() { results <- invoke(ctx, method, req, reply, cc, opts...) }
		go send()
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case err := <-results:
			return err
		case <-timer.C:
			go send()
			return <-results
		}
	}
}
