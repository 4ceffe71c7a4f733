package httpx

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"strconv"

	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

const (
	headerAttempt = "X-Retry-Attempt"
	headerTimeout = "Request-Timeout"
	headerKey     = "Idempotency-Key"
	headerXKey    = "X-Idempotency-Key"
)

// request is what is sent as an attempt: the caller's own request if nothing is to be changed, else a copy with a
// header map of its own. own says that ctx is not the caller's. body is nil if the request's own is to be sent.
func (c *call) request(ctx context.Context, attempt int, own bool, body io.ReadCloser) *http.Request {
	left, timed := "", false
	if !c.t.quiet {
		left, timed = timeLeft(ctx, c.req.Header)
	}
	resend := attempt > 1 && !c.t.quiet
	hedged := c.bodies.shared
	if attempt == 1 && !own && !hedged && !timed && c.key == "" && body == nil {
		return c.req // ctx is its own: compared with it, some would panic
	}
	out := c.outgoing(ctx, attempt)
	req := &out.Request
	if body != nil {
		req.Body = body
		if c.bodies.fenced {
			req.GetBody = c.bodies.again
		}
	}
	switch {
	case req.Header == nil:
		return req // the base refuses it, and says so
	case hedged: // many bases set a header although they must not: attempts side by side share not even the values
		req.Header = cloneHeader(req.Header, http.Header.Clone)
	case !timed && !resend && c.key == "":
		return req
	default:
		req.Header = cloneHeader(req.Header, maps.Clone)
	}
	if timed {
		req.Header[headerTimeout] = []string{left}
	}
	if resend {
		out.attempt[0] = strconv.Itoa(attempt)
		req.Header[headerAttempt] = out.attempt[:]
	}
	if c.key != "" {
		req.Header[headerKey] = []string{c.key}
	}
	return req
}

// cloneHeader is clone(h), quicker for the many requests that have no header of their own yet.
func cloneHeader(h http.Header, clone func(http.Header) http.Header) http.Header {
	if len(h) == 0 {
		return http.Header{}
	}
	return clone(h)
}

// outgoing is a copy of the caller's request for an attempt.
func (c *call) outgoing(ctx context.Context, attempt int) *outgoing {
	out := &c.copy
	if attempt != int(c.copied) {
		out = new(outgoing)
	}
	if attempt > 1 {
		out.ctx = retry.ResendContext{Context: ctx, Attempt: attempt}
		ctx = &out.ctx
	}
	out.Request = *c.req.WithContext(ctx)
	return out
}

// timeLeft is the value of Request-Timeout for an attempt that is sent now. An attempt timeout is not in it: that
// bounds the wait for the headers only, and the server would cut the body short. What the caller says itself stays
// if it is shorter.
func timeLeft(ctx context.Context, h http.Header) (string, bool) {
	left, ok := timeout.Left(ctx)
	if !ok || left == 0 {
		return "", false // too late: the base says so
	}
	if own, ok := parseTimeout(first(h, headerTimeout)); ok && own < left {
		return "", false
	}
	return formatTimeout(left), true
}

// Idempotent reports whether a request may have its effect twice: what retry.WithIdempotency declared on its context;
// else whether its method is idempotent (RFC 9110, section 9.2.2) or it has an Idempotency-Key or X-Idempotency-Key.
// As in net/http the key's presence in the map counts: a nil slice makes a request idempotent and sends no header.
func Idempotent(req *http.Request) bool {
	switch retry.IdempotencyFrom(req.Context()) {
	case retry.Idempotent:
		return true
	case retry.NotIdempotent:
		return false
	}
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return hasKey(req)
}

func hasKey(req *http.Request) bool {
	if _, ok := req.Header[headerKey]; ok {
		return true
	}
	_, ok := req.Header[headerXKey]
	return ok
}

// wantsKey reports whether an Idempotency-Key would make the request idempotent.
func wantsKey(req *http.Request) bool {
	return (req.Method == http.MethodPost || req.Method == http.MethodPatch) && !hasKey(req) &&
		retry.IdempotencyFrom(req.Context()) != retry.NotIdempotent
}

// newKey is a random UUID (RFC 9562, version 4).
func newKey() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var s [36]byte
	hex.Encode(s[:8], b[:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:], b[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}
