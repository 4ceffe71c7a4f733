package httpx

import (
	"context"
	"io"
	"maps"
	"net/http"
	"strconv"

	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/timeout"
)

const (
	headerAttempt = "X-Retry-Attempt"
	headerTimeout = "Request-Timeout"
	headerKey     = "Idempotency-Key"
	headerXKey    = "X-Idempotency-Key"

	headerCriticality = "X-Criticality"
)

// request returns the request to send as an attempt: the caller's own if nothing is to be changed,
// or else a copy, whose header map is cloned before it is changed. copied is set if it has to be a
// copy: ctx has more than the caller's context (to compare the two might panic), or a hook needs
// one. body replaces the request's Body unless it is nil.
func (c *call) request(ctx context.Context, attempt int, copied bool, body io.ReadCloser) *http.Request {
	left, timed := c.t.timeLeft(ctx, c.req)
	resend := attempt > 1 && !c.t.quiet
	hedged := c.bodies.shared
	if attempt == 1 && !copied && !hedged && !timed && c.key == "" && c.criticality == "" && body == nil {
		return c.req // at most Request.Cancel also ends ctx, and the base watches that itself
	}
	req, added := c.outgoing(ctx, attempt, copied || hedged || c.watch != nil)
	if body != nil {
		req.Body = body
		if c.bodies.fenced {
			req.GetBody = c.bodies.again
		}
	}
	switch {
	case req.Header == nil:
		return req // the base returns an error
	case hedged || c.t.before != nil: // a hook, or a base that should not, may change even the values
		req.Header = cloneHeader(req.Header, http.Header.Clone)
	case !timed && !resend && c.key == "" && c.criticality == "" && !c.dropsExpect():
		return req
	default:
		req.Header = cloneHeader(req.Header, maps.Clone)
	}
	if timed {
		added.left[0] = left
		req.Header[headerTimeout] = added.left[:]
	}
	if resend {
		added.attempt[0] = strconv.Itoa(attempt)
		req.Header[headerAttempt] = added.attempt[:]
	}
	if c.key != "" {
		req.Header[headerKey] = []string{c.key}
	}
	if c.criticality != "" {
		req.Header[headerCriticality] = []string{c.criticality}
	}
	return req
}

// cloneHeader returns clone(h). It is faster for the many requests that have no header.
func cloneHeader(h http.Header, clone func(http.Header) http.Header) http.Header {
	if len(h) == 0 {
		return http.Header{}
	}
	return clone(h)
}

// outgoing returns a copy of the caller's request for an attempt, and where to store what is added
// to it. derived is set if ctx may differ from the caller's context.
func (c *call) outgoing(ctx context.Context, attempt int, derived bool) (*http.Request, *additions) {
	added := &c.first
	switch {
	case attempt > 1:
		layer.Resent()
		added = &additions{ctx: drive.ResendContext{Context: ctx, Attempt: attempt}}
		return c.req.WithContext(&added.ctx), added
	case derived:
		return c.req.WithContext(ctx), added
	}
	plain := *c.req
	return &plain, added
}

// timeLeft returns the value of Request-Timeout for an attempt at req that is sent now on ctx,
// and reports whether to set it. An attempt timeout does not count: it bounds only the wait for
// the headers, and the server would cut the body short. A shorter Request-Timeout that the caller
// has set stays.
func (t *Transport) timeLeft(ctx context.Context, req *http.Request) (string, bool) {
	if t.quiet || opensTunnel(req.Method, req.Header) {
		return "", false
	}
	left, ok := timeout.Left(ctx)
	if !ok || left == 0 {
		return "", false // the deadline has passed: the base returns an error
	}
	if said := first(req.Header, headerTimeout); said != "" {
		if own, ok := parseTimeout(said); ok && own < left {
			return "", false
		}
	}
	return formatTimeout(left), true
}
