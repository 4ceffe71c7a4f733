package httpx

import (
	"maps"
	"net/http"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/internal/placement"
)

// fast reports whether the first attempt of a request needs only the budget and a header with the
// time left: no httptrace, no guarded body, no hook of an option, no watch on Request.Cancel.
func (t *Transport) fast(req *http.Request, p *drive.Policy) bool {
	if !p.Fast || t.classify != nil || t.before != nil || t.credentials != nil || t.addsKey ||
		t.answers.statuses != nil || t.idle > 0 {
		return false
	}
	ctx := req.Context()
	if _, named := layer.Criticality(ctx); named || placement.InUse() || ctx.Err() != nil {
		return false
	}
	switch {
	case p.MaxAttempts == 1:
		return true // nothing below matters to a request that is sent once
	case req.Body != nil && req.Body != http.NoBody && !inMemory(req):
		return false // the body is guarded, so that the attempt cannot read on during the next
	case req.URL != nil && req.URL.Scheme == "https" && !Idempotent(req):
		return false // a trace shows whether a failed attempt had a connection, see trace.go
	case req.Cancel != nil: //lint:ignore SA1019 see cancel.go
		_, timed := ctx.Deadline() // with a deadline watchCancel does not watch either
		return timed
	}
	return true
}

// runFast sends the first attempt directly. After a failure it builds the state of a call, and the
// driver continues it.
func (t *Transport) runFast(req *http.Request, p *drive.Policy) (*http.Response, error) {
	sent, room := t.stamped(req)
	begun := p.Begin()
	resp, err := normalize(t.base.RoundTrip(sent))
	restore(resp, sent, req)
	if err == nil && resp.StatusCode < http.StatusBadRequest {
		p.Succeed(time.Time{}, begun)
		return boundByClient(resp, req, room), nil
	}
	c := t.newCall(req, p)
	c.sent, c.bodies.taken = sent, true
	c.shadows.sent.Store(1)
	c.noteExpect(1, sent, resp)
	a := drive.Resume(req.Context(), p, c, c.options(p), begun, resp, err)
	return c.finish(&a)
}

// stampedRequest is a copy of a request with a Request-Timeout header. The header's value and the
// body that http.Client.Timeout needs are part of it, to save allocations.
type stampedRequest struct {
	http.Request
	left [1]string
	body clientBody
}

// stamped returns the request of a fast first attempt: the caller's own or, if it has a deadline,
// a copy with a Request-Timeout header, and with room for boundByClient.
func (t *Transport) stamped(req *http.Request) (sent *http.Request, room *clientBody) {
	left, timed := t.timeLeft(req.Context(), req)
	if !timed || req.Header == nil {
		return req, nil
	}
	s := &stampedRequest{Request: *req, left: [1]string{left}}
	s.Header = cloneHeader(req.Header, maps.Clone)
	s.Header[headerTimeout] = s.left[:]
	return &s.Request, &s.body
}
