package httpx

import (
	"net/http"

	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/retry"
)

// Transport is an http.RoundTripper that makes each request a call of a retry.Policy: attempts, waits and hedges go to
// the RoundTripper below it. It is safe for concurrent use. Make one with NewTransport.
type Transport struct {
	base   http.RoundTripper
	policy *retry.Policy
	options
	byHost bool // and by nothing else is the policy chosen
}

// NewTransport wraps base, or http.DefaultTransport if it is nil, with the rules of p, or of the zero retry.Config if
// it is nil. Each host has its own budget and latency estimate, p.For(host).
//
// It panics if an option makes no sense, with the option's name.
func NewTransport(base http.RoundTripper, p *retry.Policy, opts ...Option) *Transport {
	if base == nil {
		base = http.DefaultTransport
	}
	if p == nil {
		p = retry.Must(retry.New(retry.Config{}))
	}
	layer.Link()
	t := &Transport{base: base, policy: p}
	for _, opt := range opts {
		if opt == nil {
			panic("httpx.NewTransport: Option: must not be nil")
		}
		opt(&t.options)
	}
	t.byHost = t.choose == nil && t.destination == nil
	return t
}

// RoundTrip makes the call that req stands for. req is never changed.
//
// If the call stops without success, the last response is returned as it came, its body open, with a nil error;
// ReportFrom(resp.Request.Context()) has the reason. If there was no response, the error is a *retry.Error that
// unwraps to the last attempt's error and to the context's. A policy of MaxAttempts 1 returns what the base returned,
// error values included.
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

func (t *Transport) roundTrip(req *http.Request) (*http.Response, error) {
	var p *retry.Policy // policyFor is not inlined: the common case spares its call
	if t.byHost && req.URL != nil {
		p = t.policy.For(req.URL.Host)
	} else {
		p = t.policyFor(req)
	}
	if !p.Plain() || !t.sendsAsIs(req) {
		return t.call(req, p)
	}
	// The happy path: the caller's own request, and nothing but the budget told.
	f := p.Begin()
	resp, err := t.base.RoundTrip(req)
	if err == nil && t.settled(req, resp) {
		p.Succeed(f)
		return resp, nil
	}
	return t.resume(req, p, f, resp, err)
}

// CloseIdleConnections is forwarded to the base, if that has it: http.Client reaches no further than its Transport.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Unwrap returns the RoundTripper that attempts go to.
func (t *Transport) Unwrap() http.RoundTripper { return t.base }

// policyFor is the policy of the request's destination.
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

// sendsAsIs reports whether the first attempt of a call can be the caller's own request.
func (t *Transport) sendsAsIs(req *http.Request) bool {
	if req.Body != nil && req.Body != http.NoBody && !inMemory(req) {
		return false
	}
	if t.addsKey && wantsKey(req) {
		return false
	}
	if t.quiet {
		return true
	}
	_, ok := req.Context().Deadline()
	return !ok
}

// settled reports whether a response ends the call as a success does: with a Plain policy that is so for an
// application's refusal (404) too, because the budget is told the same of both.
func (t *Transport) settled(req *http.Request, resp *http.Response) bool {
	return resp != nil && (t.classify == nil && resp.StatusCode < http.StatusBadRequest || t.settledSlow(req, resp))
}

// settledSlow is the part of settled that is not inlined.
func (t *Transport) settledSlow(req *http.Request, resp *http.Response) bool {
	if t.classify != nil {
		return t.classify(req, resp, nil).Class == retry.Success
	}
	if _, ok := resp.Header[headerShouldRetry]; ok {
		return false
	}
	o := classifyStatus(resp.StatusCode)
	return o.Class == retry.Rejected && o.Alive
}
