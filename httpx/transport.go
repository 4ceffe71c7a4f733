package httpx

import (
	"net/http"

	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/internal/placement"
	"github.com/evenkeel-go/evenkeel/retry"
)

// Transport is an http.RoundTripper that sends each request under a retry.Policy: it retries and
// hedges through the RoundTripper that it wraps. It is safe for concurrent use. Use NewTransport
// to make one.
type Transport struct {
	base   http.RoundTripper
	policy *retry.Policy
	options
}

// NewTransport returns a Transport that sends attempts to base, or to http.DefaultTransport if
// base is nil, under policy p, or under the zero retry.Config if p is nil. Each host and port has
// its own budget and latency estimate, p.For(req.URL.Host).
//
// It panics if an option is nil or invalid, and names the option.
func NewTransport(base http.RoundTripper, p *retry.Policy, opts ...Option) *Transport {
	layer.Link() // from now on layer.Spend records calls that were given up
	if base == nil {
		base = http.DefaultTransport
	}
	if p == nil {
		p = retry.Must(retry.New(retry.Config{}))
	}
	t := &Transport{base: base, policy: p}
	t.answers = peekRules{limit: peekBytes, patience: peekTime}
	for _, opt := range opts {
		if opt == nil {
			panic("httpx.NewTransport: Option: must not be nil")
		}
		opt(&t.options)
	}
	if t.hintKey != nil && t.choose == nil && p.Config().HintScope != "destination" {
		panic(`httpx: WithHintKey: the policy's HintScope must be "destination"`)
	}
	return t
}

// RoundTrip sends req, once or more often, as the policy decides. It does not modify req.
//
// If the call stops without success after a response, RoundTrip returns the last response with its
// body open and a nil error; ReportFrom(resp.Request.Context()) returns the reason. Without a
// response, the error is a *retry.Error that unwraps to the last attempt's error and, if the
// context ended the call, to the context's. The base's own error is returned if MaxAttempts is 1,
// or if the call made one attempt and the policy added no timeout, wait or refusal; the context's
// own, context.Canceled or DeadlineExceeded, if that had ended before the call.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if layer.Nested() { // false until a call of this process was repeated or given up
		return t.nested(req)
	}
	return t.roundTrip(req)
}

// nested makes a call that may be inside an attempt of another one, such as a retry.Do. It reports
// the call's end to that attempt. If that attempt is a resend, nested hides its number, so that
// the call's own first attempt does not look like a resend.
func (t *Transport) nested(req *http.Request) (*http.Response, error) {
	ctx, inner := layer.Begin(req.Context())
	defer inner.End()
	if ctx == nil { // there is no number to hide
		return t.roundTrip(req)
	}
	own := req.WithContext(ctx)
	resp, err := t.roundTrip(own)
	restore(resp, own, req)
	return resp, err
}

// roundTrip makes a call under the policy of the request's destination. If its first attempt needs
// no preparation (fast), runFast sends it directly and uses the driver only after a failure. All
// other calls go to the driver, and end when the deprecated Request.Cancel is closed.
func (t *Transport) roundTrip(req *http.Request) (*http.Response, error) {
	p := drive.Of(t.policyFor(req))
	if t.fast(req, p) {
		return t.runFast(req, p)
	}
	c := t.newCall(req, p)
	defer c.bodies.end() // also after a panic or runtime.Goexit in a function of the caller's
	ctx, watch := c.watchCancel()
	defer watch.end()
	if placement.InUse() { // a balancer below records in ctx where each attempt goes
		ctx, c.placed = placement.Start(ctx, p.Observer, true), true
	}
	a := drive.Run(ctx, p, c, c.options(p))
	a.Value = watch.keep(a.Value)
	return c.finish(&a)
}

// policyFor returns the policy of the request's destination. If a function of an option panics,
// the request's body is closed, as after every RoundTrip.
func (t *Transport) policyFor(req *http.Request) (of *retry.Policy) {
	defer func() {
		if of == nil && req.Body != nil {
			req.Body.Close()
		}
	}()
	p := t.policy
	if t.choose != nil {
		if chosen := t.choose(req); chosen != nil {
			p = chosen
		}
	}
	if t.destination != nil {
		return p.For(t.destination(req))
	}
	if req.URL == nil {
		return p // the base returns an error
	}
	return p.For(req.URL.Host)
}

// CloseIdleConnections calls the base's CloseIdleConnections, if it has that method, so that
// http.Client.CloseIdleConnections works through a Transport. It ends no call, not even one that
// waits for its next attempt.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Unwrap returns the RoundTripper that attempts go to.
func (t *Transport) Unwrap() http.RoundTripper { return t.base }
