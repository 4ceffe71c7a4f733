package httpx

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net/http"

	"github.com/evenkeel-go/evenkeel/retry"
)

// call is one call that is more than a first attempt with the caller's own request.
type call struct {
	t          *Transport
	req        *http.Request // the caller's
	key        string        // the Idempotency-Key to add
	idempotent bool
	once       bool // the policy never retries
	copied     int8 // the attempt whose copy of the request is the one in here: there is nearly always one
	bodies     bodies
	shadows    shadows
	watch      *cancelWatch // nil: none
	copy       outgoing
}

// outgoing is a copy of the request as an attempt sends it, with room for the header and the context that resends have.
type outgoing struct {
	http.Request
	attempt [1]string
	ctx     retry.ResendContext
}

// call makes a call that needs more than the happy path gives.
func (t *Transport) call(req *http.Request, p *retry.Policy) (*http.Response, error) {
	c := t.newCall(req, p, false)
	if !p.Plain() {
		w := c.work()
		w.Hedge = p.Hedges() && c.hedgeable()
		c.bodies.shared = w.Hedge
		ctx, watch := c.heedCancel()
		defer watch.end()
		resp, err := retry.Run(ctx, p, &w)
		return c.finish(watch.keep(resp), err)
	}
	f := p.Begin()
	resp, err := c.send(req.Context(), 1, false)
	if err == nil && t.settled(req, resp) {
		p.Succeed(f)
		c.bodies.end()
		return resp, nil
	}
	return c.proceed(p, f, resp, err)
}

// resume goes on after a first attempt with the caller's own request.
func (t *Transport) resume(
	req *http.Request, p *retry.Policy, f retry.First, resp *http.Response, err error,
) (*http.Response, error) {
	resp, err = one(resp, err)
	c := t.newCall(req, p, true)
	c.shadows.sent.Store(1)
	c.shadows.first.Store(resp)
	return c.proceed(p, f, resp, err)
}

func (c *call) proceed(p *retry.Policy, f retry.First, resp *http.Response, err error) (*http.Response, error) {
	w := c.work()
	ctx, watch := c.heedCancel()
	defer watch.end()
	resp, err = retry.Continue(ctx, p, &w, f, resp, err)
	return c.finish(watch.keep(resp), err)
}

func (t *Transport) newCall(req *http.Request, p *retry.Policy, begun bool) *call {
	c := &call{t: t, req: req, once: p.Config().MaxAttempts == 1, copied: 1}
	if begun {
		c.copied = 2
	}
	if t.addsKey && wantsKey(req) {
		c.key = newKey()
	}
	c.idempotent = c.key != "" || Idempotent(req)
	c.bodies.init(req, t.buffer, begun || c.once)
	return c
}

// hedgeable reports whether attempts can be made side by side.
func (c *call) hedgeable() bool {
	return c.idempotent && c.bodies.copies() && mayHedge(c.req, c.key != "")
}

func (c *call) work() retry.Work[*call, *http.Response] {
	return retry.Work[*call, *http.Response]{
		State: c, Send: (*call).send, Classify: (*call).classify, Discard: (*call).discard, Keep: keep,
		Opening: true, Numbers: true,
	}
}

var errNothing = errors.New("httpx: the base RoundTripper returned neither a response nor an error")

// one makes one thing of what a base returned that gives both a response and an error, or neither.
func one(resp *http.Response, err error) (*http.Response, error) {
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

// send makes one attempt. Its response names the caller's request, as it does when that was sent itself: the context of
// the copy ends with the body, and its headers are no other call's.
func (c *call) send(ctx context.Context, attempt int, timed bool) (*http.Response, error) {
	body, err := c.bodies.next(attempt)
	if err != nil {
		return nil, err
	}
	req := c.request(ctx, attempt, timed, body)
	c.shadows.sent.Add(1)
	resp, err := one(c.t.base.RoundTrip(req))
	if attempt == 1 {
		c.shadows.first.Store(resp)
	}
	if resp != nil && resp.Request == req {
		resp.Request = c.req
	}
	return resp, err
}

// classify says what an attempt came to, and whether it may be sent again.
func (c *call) classify(resp *http.Response, err error, ended bool) retry.Outcome {
	o := retry.Outcome{Class: retry.Timeout}
	switch {
	case err != nil && c.bodies.broke(err):
		o = retry.Outcome{Class: retry.Rejected}
	case err != nil && c.canceled():
		o = retry.Outcome{Class: retry.Canceled}
	case !ended && c.t.classify != nil:
		o = c.t.classify(c.req, resp, err)
	case !ended:
		o = Classify(c.req, resp, err)
	}
	o = c.correct(resp, err, o).Limit(c.idempotent)
	switch {
	case !retryable(o):
	case c.once: // nothing is kept to send again, also not for what a live connection hands back
		o = o.Forbid(retry.ReasonMaxAttempts)
	case !c.bodies.hold():
		o = o.Forbid(retry.ReasonNotReplayable)
	}
	return o
}

func retryable(o retry.Outcome) bool {
	switch o.Class {
	case retry.Transient, retry.Throttled, retry.Timeout, retry.Unprocessed:
		return !o.NoRetry
	}
	return false
}

// discard frees the connection of an attempt that is not the answer, and stops its upload.
func (c *call) discard(resp *http.Response, _ error) {
	if resp != nil {
		drain(resp)
	}
	c.bodies.cut()
}

// finish makes of what a call came to what a RoundTripper returns.
func (c *call) finish(resp *http.Response, err error) (*http.Response, error) {
	c.bodies.end()
	stopped, ok := err.(*retry.Error)
	switch {
	case !ok:
		return resp, err
	case resp != nil && stopped.Last == nil:
		if !c.once && (stopped.Reason != retry.ReasonRejected || stopped.Attempts > 1) {
			stopped.Shadow = c.isShadow(resp)
			report(resp, c.req, stopped)
		}
		return resp, nil
	case stopped.Attempts == 0:
		c.bodies.unused()
	}
	c.awaitCancel()
	switch {
	case stopped.Last != nil && (c.once || knownByType(stopped.Last)):
		return nil, stopped.Last
	case c.once && stopped.Ended != nil:
		return nil, cmp.Or(context.Cause(c.req.Context()), stopped.Ended)
	}
	return nil, stopped
}

// knownByType reports whether net/http looks at the error's own type, so that it must not be wrapped: http.Client says
// "server gave HTTP response to HTTPS client" for one, and http.Transport goes on after the other.
func knownByType(err error) bool {
	if _, ok := err.(tls.RecordHeaderError); ok {
		return true
	}
	return err == http.ErrSkipAltProtocol
}
