package httpx

import (
	"net/http"

	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/internal/placement"
	"github.com/evenkeel-go/evenkeel/retry"
)

// Transport is an http.RoundTripper that makes each request a call of a retry.Policy: attempts,
// waits and hedges go to the RoundTripper below it. It is safe for concurrent use. Make one with
// NewTransport.
type Transport struct {
	base   http.RoundTripper
	policy *retry.Policy
	options
}

// NewTransport wraps base, or http.DefaultTransport if it is nil, with the rules of p, or of the
// zero retry.Config if it is nil. Each host has its own budget and latency estimate, p.For(host).
//
// It panics if an option makes no sense, with the option's name.
func NewTransport(base http.RoundTripper, p *retry.Policy, opts ...Option) *Transport {
	layer.Link()
	if base == nil {
		base = http.DefaultTransport
	}
	if p == nil {
		p = retry.Must(retry.New(retry.Config{}))
	}
	t := &Transport{base: base, policy: p}
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

// RoundTrip makes the call of req, which is never changed.
//
// If the call stops without success, the last response is returned as it came, its body open,
// with a nil error; ReportFrom(resp.Request.Context()) has the reason. If there was no response,
// the error is a *retry.Error that unwraps to the last attempt's error and to the context's. A
// call of one attempt to which the policy added nothing, neither a timeout nor a wait nor a
// refusal, returns the error as the base gave it, and so does a policy of MaxAttempts 1.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if layer.Nested() {
		return t.nested(req)
	}
	return t.roundTrip(req)
}

// nested makes a call that may be made inside an attempt of another one.
func (t *Transport) nested(req *http.Request) (*http.Response, error) {
	ctx, call := layer.Begin(req.Context())
	defer call.End()
	if ctx == nil {
		return t.roundTrip(req)
	}
	own := req.WithContext(ctx)
	resp, err := t.roundTrip(own)
	if resp != nil && resp.Request == own {
		resp.Request = req
	}
	return resp, err
}

// roundTrip makes a call under the policy of the request's destination. A plain one makes its
// first attempt by itself (runFast) and needs the driver only after a failure; all others are
// driven from the start, and end also with the deprecated Request.Cancel.
func (t *Transport) roundTrip(req *http.Request) (*http.Response, error) {
	p := drive.Of(t.policyFor(req))
	if t.fast(req, p) {
		return t.runFast(req, p)
	}
	c := t.newCall(req, p)
	ctx, watch := c.watchCancel()
	defer watch.end()
	if placement.InUse() {
		ctx, c.placed = placement.Start(ctx, p.Observer, true), true
	}
	a := drive.Run(ctx, p, c, c.options(p))
	a.Value = watch.keep(a.Value)
	return c.finish(&a)
}

// policyFor returns the policy of the request's destination.
func (t *Transport) policyFor(req *http.Request) *retry.Policy {
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
		return p // the base says what is wrong
	}
	return p.For(req.URL.Host)
}

// CloseIdleConnections is forwarded to the base, if that has it: http.Client reaches no further
// than its Transport. It ends no call. One that waits, for its next attempt or for the budget,
// holds no connection that is idle, and waits no longer than the policy allows; the end of its
// context ends it at once.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Unwrap returns the RoundTripper that attempts go to.
func (t *Transport) Unwrap() http.RoundTripper { return t.base }
