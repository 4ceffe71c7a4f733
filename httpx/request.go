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

// request returns what is sent as an attempt: the caller's own request if nothing is to be
// changed, else a copy with a header map of its own. own says that ctx is not the caller's. body
// is nil if the request's own is to be sent.
func (c *call) request(ctx context.Context, attempt int, own bool, body io.ReadCloser) *http.Request {
	left, timed := c.t.timeLeft(ctx, c.req)
	resend := attempt > 1 && !c.t.quiet
	hedged := c.bodies.shared
	if attempt == 1 && !own && !hedged && !timed && c.key == "" && c.criticality == "" && body == nil {
		return c.req // ctx is its own: compared with it, some would panic
	}
	req, added := c.outgoing(ctx, attempt, own || hedged || c.watch != nil)
	if body != nil {
		req.Body = body
		if c.bodies.fenced {
			req.GetBody = c.bodies.again
		}
	}
	switch {
	case req.Header == nil:
		return req // the base refuses it, and says so
	case hedged || c.t.before != nil: // many bases set a header although they must not: attempts side by side share not even the values
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

// cloneHeader returns clone(h), quicker for the many requests that have no header of their own
// yet.
func cloneHeader(h http.Header, clone func(http.Header) http.Header) http.Header {
	if len(h) == 0 {
		return http.Header{}
	}
	return clone(h)
}

// outgoing returns a copy of the caller's request for an attempt, and room for what is added to
// it. own says that ctx is not the caller's.
func (c *call) outgoing(ctx context.Context, attempt int, own bool) (*http.Request, *additions) {
	added := &c.first
	switch {
	case attempt > 1:
		layer.Resent()
		added = &additions{ctx: drive.ResendContext{Context: ctx, Attempt: attempt}}
		return c.req.WithContext(&added.ctx), added
	case own:
		return c.req.WithContext(ctx), added
	}
	plain := *c.req
	return &plain, added
}

// timeLeft returns the value of Request-Timeout for an attempt at req that is sent now on ctx. An
// attempt timeout is not in it: that bounds the wait for the headers only, and the server would
// cut the body short. What the caller says itself stays if it is shorter.
func (t *Transport) timeLeft(ctx context.Context, req *http.Request) (string, bool) {
	if t.quiet || opensTunnel(req.Method, req.Header) {
		return "", false
	}
	left, ok := timeout.Left(ctx)
	if !ok || left == 0 {
		return "", false // too late: the base says so
	}
	if said := first(req.Header, headerTimeout); said != "" {
		if own, ok := parseTimeout(said); ok && own < left {
			return "", false
		}
	}
	return formatTimeout(left), true
}
