package httpx

import (
	"maps"
	"net/http"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/internal/placement"
)

// fast reports whether the first attempt of a request needs nothing around it but the budget and a
// header with the time left: no trace, no body to guard, no hook, no watch on Request.Cancel.
func (t *Transport) fast(req *http.Request, p *drive.Policy) bool {
	if !p.Fast || t.classify != nil || t.before != nil || t.credentials != nil || t.addsKey ||
		t.answers.statuses != nil || t.idle > 0 {
		return false
	}
	ctx, once := req.Context(), p.MaxAttempts == 1
	if _, named := layer.Criticality(ctx); named || placement.InUse() || ctx.Err() != nil {
		return false
	}
	switch {
	case once:
		return true
	case req.Body != nil && req.Body != http.NoBody && !inMemory(req):
		return false
	case req.URL != nil && req.URL.Scheme == "https" && !Idempotent(req):
		return false
	case req.Cancel != nil: //lint:ignore SA1019 see cancel.go
		_, ok := ctx.Deadline()
		return ok
	}
	return true
}

// runFast makes a call whose first attempt is fast. Only a failure needs the state of a call.
func (t *Transport) runFast(req *http.Request, p *drive.Policy) (*http.Response, error) {
	sent, begun := t.stamped(req), p.Begin()
	resp, err := normalize(t.base.RoundTrip(sent))
	if resp != nil && resp.Request == sent {
		resp.Request = req
	}
	if err == nil && resp.StatusCode < http.StatusBadRequest {
		p.Succeed(time.Time{}, begun)
		return resp, nil
	}
	c := t.newCall(req, p)
	c.sent = sent
	c.shadows.sent.Store(1)
	c.noteExpect(1, sent, resp)
	a := drive.Resume(req.Context(), p, c, c.options(p), begun, resp, err)
	return c.finish(&a)
}

// stampedRequest is a copy of a request that says how much time is left.
type stampedRequest struct {
	http.Request
	left [1]string
}

// stamped returns what is sent as a fast first attempt: the caller's own request, or a copy with a
// header map of its own.
func (t *Transport) stamped(req *http.Request) *http.Request {
	left, timed := t.timeLeft(req.Context(), req)
	if !timed || req.Header == nil {
		return req
	}
	s := &stampedRequest{Request: *req, left: [1]string{left}}
	s.Header = cloneHeader(req.Header, maps.Clone)
	s.Header[headerTimeout] = s.left[:]
	return &s.Request
}
