package httpx

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/retry"
)

// call implements drive.Work for one request.
type call struct {
	t           *Transport
	req         *http.Request // the caller's
	key         string        // the Idempotency-Key to add; "": none
	idempotent  bool
	declared    bool   // idempotent by WithIdempotentPaths
	criticality string // the X-Criticality to add; "": none
	once        bool   // the policy never retries
	placed      bool   // the context of every attempt has a record for endpoints.Transport
	bodies      bodies
	shadows     shadows
	watch       *cancelWatch                  // nil: none
	failed      atomic.Pointer[retry.Failure] // the latest one, for WithBeforeAttempt
	login       *login                        // nil: a 401 is not renewed
	first       additions                     // to the first attempt
	refused     atomic.Uint64                 // bit n is set if the Expect of attempt n was refused

	// If attempts may run side by side, hooks has the caller's ClientTrace for them (nil: none).
	// Otherwise the other fields describe the latest attempt.
	hooks  context.Context
	traced *connTrace         // nil: its connections are not traced
	sent   *http.Request      // nil: none was sent
	ownCtx bool               // it has a context of its own, for its timeout or for a classifier
	stop   context.CancelFunc // ends the context that it has for a classifier; nil: there is none
}

// additions holds what an attempt adds to the request, in one allocation.
type additions struct {
	attempt [1]string // the value of X-Retry-Attempt
	left    [1]string // the value of Request-Timeout
	ctx     drive.ResendContext
}

// newCall returns the state of a call that has sent nothing.
func (t *Transport) newCall(req *http.Request, p *drive.Policy) *call {
	c := &call{t: t, req: req, once: p.MaxAttempts == 1}
	if t.addsKey && wantsKey(req) {
		c.key = newKey()
	}
	if named, ok := layer.Criticality(req.Context()); ok && !t.quiet && req.Header[headerCriticality] == nil {
		c.criticality = named.String()
	}
	c.idempotent = c.key != "" || Idempotent(req)
	if !c.idempotent {
		c.declared = t.paths.declares(req)
		c.idempotent = c.declared
	}
	if t.credentials != nil && !c.once {
		c.login = t.credentials.login(req)
	}
	c.bodies.init(req, t.buffer, c.once)
	return c
}

// options returns the driver's options. If the call may be hedged, options prepares its bodies
// and trace hooks for attempts side by side.
func (c *call) options(p *drive.Policy) drive.Options {
	if c.bodies.shared = p.Hedges() && c.hedgeable(); c.bodies.shared {
		c.hooks = serialized(c.req.Context())
	}
	return drive.Options{Hedge: c.bodies.shared, Opening: true, Numbers: true, PauseKey: c.pauseKey(p)}
}

// pauseKey returns the key of WithHintKey's function.
func (c *call) pauseKey(p *drive.Policy) string {
	if c.t.hintKey == nil || p.Pause == nil {
		return ""
	}
	return c.t.hintKey(c.req)
}

// hedgeable reports whether attempts can be made side by side.
func (c *call) hedgeable() bool {
	return c.idempotent && c.bodies.copies() && mayHedge(c.req, c.key != "" || c.declared)
}

var errNothing = errors.New("httpx: the base RoundTripper returned neither a response nor an error")

// normalize enforces the RoundTripper contract: exactly one of a response and an error.
func normalize(resp *http.Response, err error) (*http.Response, error) {
	switch {
	case err == nil && resp == nil:
		return nil, errNothing
	case err != nil && resp != nil && resp.Body != nil:
		resp.Body.Close()
	}
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// Send makes one attempt. The response's Request is the caller's, even if a copy was sent: the
// copy's context ends with the body, and its headers belong to this attempt alone.
func (c *call) Send(ctx context.Context, attempt int, timed bool) (*http.Response, error) {
	if !timed { // an attempt timeout might end before await does
		if err := c.login.await(ctx); err != nil {
			return nil, err
		}
	}
	body, err := c.bodies.next(ctx, attempt)
	if err != nil {
		return nil, err
	}
	ctx, traced := c.trace(ctx, timed)
	ctx, own := c.ownContext(ctx, timed)
	req := c.request(ctx, attempt, timed || traced || c.placed || c.t.before != nil || own.stop != nil, body)
	if !c.bodies.shared {
		c.sent = req
	}
	if body != nil && (timed || c.bodies.shared) {
		defer closeAtEnd(ctx, body)()
	}
	resp, err := c.exchange(req, attempt, own)
	restore(resp, req, c.req)
	c.noteExpect(attempt, req, resp)
	return resp, err
}

// Classify returns an attempt's outcome. Forbidden is set if the request cannot be sent again.
func (c *call) Classify(ctx context.Context, _ *drive.Policy, r drive.Result[*http.Response]) retry.Outcome {
	resp, err := r.Value, r.Err
	o := retry.Outcome{Class: retry.Timeout}
	if !r.Ended { // until Classify returns, the classifier may read the body
		defer c.peekable(ctx, resp).hide(resp)
	}
	switch {
	case err != nil && (is[*hookError](err) || c.bodies.broke(err)):
		o = retry.Outcome{Class: retry.Rejected}
	case err != nil && c.canceled():
		o = retry.Outcome{Class: retry.Canceled}
	case err != nil && r.Ended: // Timeout
	case c.t.classify != nil:
		o = c.t.classify(c.req, resp, err)
	default:
		o = Classify(c.req, resp, err)
	}
	if err != nil {
		o = c.proven(o, err)
	}
	o = c.correct(r.Attempt, resp, err, o)
	if c.login != nil && resp != nil && !r.Ended {
		o = c.login.correct(ctx, r.Attempt, resp, o, c.Hold)
	}
	o = c.hinted(o, resp)
	if r.Ended && resp != nil { // it came too late to be used, but its hints count
		o = retry.Outcome{Class: retry.Timeout, Forbidden: o.Forbidden, After: o.After}
	}
	o = drive.RequireIdempotent(o, c.idempotent)
	switch {
	case !retryable(o):
	case c.once: // no body is kept, not even for what a live connection hands back
		o.Forbidden = retry.ReasonMaxAttempts
	case !c.bodies.hold():
		o.Forbidden = retry.ReasonNotReplayable
	}
	return o
}

// retryable reports whether an outcome permits another attempt.
func retryable(o retry.Outcome) bool {
	switch o.Class {
	case retry.Success, retry.Rejected, retry.Canceled:
		return false
	}
	return o.Forbidden == retry.ReasonNone
}

// Status returns "HTTP 503", for example, or "" without a response.
func (c *call) Status(resp *http.Response, _ error) string {
	if resp == nil {
		return ""
	}
	switch resp.StatusCode { // common codes need no allocation
	case http.StatusOK:
		return "HTTP 200"
	case http.StatusTooManyRequests:
		return "HTTP 429"
	case http.StatusInternalServerError:
		return "HTTP 500"
	case http.StatusBadGateway:
		return "HTTP 502"
	case http.StatusServiceUnavailable:
		return "HTTP 503"
	case http.StatusGatewayTimeout:
		return "HTTP 504"
	}
	return "HTTP " + strconv.Itoa(resp.StatusCode)
}

// Discard frees the connection of an attempt that is not the answer, and stops its upload.
func (c *call) Discard(resp *http.Response, _ error) {
	if resp != nil {
		c.drain(resp)
	}
	c.bodies.cut()
}

// Keep has cancel called when the response's body is done.
func (c *call) Keep(resp *http.Response, cancel context.CancelFunc) *http.Response {
	return keep(resp, cancel)
}

// finish returns the response or error of a call that has stopped.
func (c *call) finish(a *drive.Answer[*http.Response]) (*http.Response, error) {
	c.bodies.end()
	resp, stopped := a.Value, a.Stopped
	switch {
	case stopped == nil:
		if resp == nil {
			return nil, a.Err
		}
		c.count(resp, int(c.shadows.sent.Load()))
		return boundByClient(resp, c.req, nil), a.Err
	case resp != nil && stopped.Last == nil:
		if !c.once && (stopped.Reason != retry.ReasonRejected || stopped.Attempts > 1) {
			report(resp, c.req, stopped)
		}
		c.count(resp, int(c.shadows.sent.Load()))
		return boundByClient(resp, c.req, nil), nil
	}
	c.awaitCancel()
	c.overdue(a)
	if h, ok := stopped.Last.(*hookError); ok && !stopped.Bare() {
		stopped.Last = h.err // the *retry.Error has the number of attempts
	}
	switch {
	case stopped.Last != nil && (c.once || knownByType(stopped.Last)):
		return nil, stopped.Last
	case c.once && stopped.Ended != nil:
		return nil, cmp.Or(context.Cause(c.req.Context()), stopped.Ended)
	case neverBegun(stopped):
		return nil, stopped.Ended
	}
	return nil, a.Error()
}

// neverBegun reports whether nothing was sent because the context had ended before the call.
// http.Transport returns the context's own error then, with which callers compare it.
func neverBegun(stopped *retry.Error) bool {
	plain := stopped.Ended == context.Canceled || stopped.Ended == context.DeadlineExceeded
	return plain && stopped.Attempts == 0 && stopped.Last == nil && stopped.Waited == 0 && stopped.Queued == 0
}

// knownByType reports whether net/http compares the error without unwrapping it, so that it must
// not be wrapped: http.Client replaces a tls.RecordHeaderError with "server gave HTTP response to
// HTTPS client", and http.Transport continues after ErrSkipAltProtocol.
func knownByType(err error) bool {
	if _, ok := err.(tls.RecordHeaderError); ok {
		return true
	}
	return err == http.ErrSkipAltProtocol
}
